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
