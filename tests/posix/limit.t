# Limits: how large a file may be for a process, and for anybody

= A process may have a limit: what fits is written, and then nothing.
open 1 a rw,creat 644
limit 10
write 1 01234567 -> 8
write 1 89ab -> 2
write 1 x -> EFBIG
write 1 x 100 -> EFBIG
write 1 y 0 -> 1
truncate 1 11 -> EFBIG
truncate 1 10
truncate a 11 -> EFBIG
fallocate 1 0 0 11 -> EFBIG
stat a size -> 10
limit none
write 1 x 10 -> 1
close 1
get a -> y123456789x

= Making it longer by mmap or copying is limited, too; reading is not.
put a 0123456789
limit 4
open 1 a r
read 1 10 -> 0123456789
open 2 b rw,creat 644
copy 1 0 2 0 10 -> 4
copy 1 0 2 4 1 -> EFBIG
close 2
get b -> 0123

= Far out: a file can be long if it is not full.
open 1 a rw,creat 644
truncate 1 4398046511104
stat a size,blocks -> 4398046511104 none
write 1 end 4398046507008
lseek 1 0 data -> 4398046507008
read 1 4 4398046507008 -> end.
close 1
stat a size -> 4398046511104
open 1 a r
read 1 4 4398046507008 -> end.
lseek 1 0 data -> 4398046507008

= Past what an offset can say.
open 1 a rw,creat 644
truncate 1 9223372036854775807 -> EFBIG ; mount
truncate 1 -1 -> EINVAL
write 1 x -1 -> EINVAL
write 1 xy 9223372036854775806 -> EINVAL
lseek 1 9223372036854775807 set -> EINVAL ; mount 9223372036854775807
stat a type -> file
