# Shared maps

= A store is read, and a write shows in the map.
open 1 a rw,creat 644
write 1 x{8192}
map 1 8192
store 1 abc 100
read 1 5 99 -> xabcx
write 1 zz 4096
load 1 3 4095 -> xzz
unmap 1 8192
close 1
open 1 a r
read 1 5 99 -> xabcx
read 1 3 4095 -> xzz

= A map outlives its descriptor, and the name.
open 1 a rw,creat 644
truncate 1 4096
map 1 4096
close 1
store 1 kept 0
get a -> kept.{4092}
unlink a
load 1 4 0 -> kept
unmap 1 4096

= A hole is punched under a map.
open 1 a rw,creat 644
write 1 x{8192}
map 1 8192
fallocate 1 punch 0 4096
load 1 4 0 -> ....
load 1 4 4096 -> xxxx
store 1 y 1
read 1 4 0 -> .y..
unmap 1 8192

= A file must be open for writing to be mapped so.
put a text
open 1 a r
map 1 4096 -> EACCES

= A private map is nobody else's; what is written shows where it was not stored into.
open 1 a rw,creat 644
write 1 x{8192}
map 1 8192 private
store 1 abc 0
load 1 4 0 -> abcx
read 1 4 0 -> xxxx
write 1 zz 4096
load 1 4 4096 -> zzxx
load 1 4 0 -> abcx
unmap 1 8192
get a -> x{4096}zzx{4094}

= A file that was opened for appending can be mapped, and grows behind the map.
put a x{4096}
open 1 a rw,append
map 1 4096
write 1 yy
store 1 ab 0
sync 1 4096
unmap 1 4096
stat a size -> 4098
close 1
get a -> abx{4094}yy

= What is stored belongs where it is, whoever else appends to the file.
put a x{4096}
open 1 a rw
open 2 a w,append
map 1 4096
close 1
store 1 ab 0
write 2 yy
unmap 1 4096
stat a size -> 4098
close 2
get a -> abx{4094}yy

= Two open files, one map: all see one content; cutting and lengthening makes zeros.
open 1 a rw,creat 644
open 2 a rw
truncate 1 8192
map 1 8192
store 1 abc 4096
read 2 4 4096 -> abc.
write 2 xyz 0
load 1 4 0 -> xyz.
truncate a 4098
truncate a 8192
load 1 4 4096 -> ab..
unmap 1 8192

= What is stored behind the end of the file is not in it.
open 1 a rw,creat 644
write 1 abc
map 1 4096
store 1 tail 3
sync 1 4096
stat a size -> 3
unmap 1 4096
close 1
get a -> abc
truncate a 8
get a -> abc.....
