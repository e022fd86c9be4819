# fallocate

= Allocating lengthens a file, unless it is to keep its size.
open 1 a rw,creat 644
fallocate 1 0 0 10000
stat a size -> 10000
read 1 5 0 -> .....
fallocate 1 keep 0 20000
stat a size -> 10000
fallocate 1 0 0 5000
stat a size -> 10000

= A punched hole reads as zeros, and the size stays.
open 1 a rw,creat 644
write 1 abcdefghij
fallocate 1 punch 2 3
read 1 20 0 -> ab...fghij
fallocate 1 punch 8 100
stat a size -> 10
read 1 20 0 -> ab...fgh..
close 1
get a -> ab...fgh..

= Whole blocks of a hole take no room.
open 1 a rw,creat 644
truncate 1 40960
write 1 x{20000} 0
fsync 1
stat a blocks -> some
fallocate 1 punch 0 40960
fsync 1
stat a size,blocks -> 40960 none

= Zeroing a range lengthens a file, unless it is to keep its size.
open 1 a rw,creat 644
write 1 abcdefghij
fallocate 1 zero 2 3
read 1 20 0 -> ab...fghij
fallocate 1 zero 8 4
read 1 20 0 -> ab...fgh....
fallocate 1 zero,keep 0 100
stat a size -> 12
read 1 20 0 -> ............

= In a file that was stored before, and in one that is being written.
put a x{50000}
open 1 a rw
fallocate 1 punch 10 49980
read 1 20 0 -> xxxxxxxxxx..........
read 1 20 49980 -> ..........xxxxxxxxxx
write 1 yy 20
fallocate 1 punch 21 1
close 1
open 1 a r
read 1 4 19 -> .y..

= It changes mtime and ctime.
put a text
open 1 a rw
mark a
fallocate 1 punch 0 1
changed a -> mtime ctime

= Errors.
put a text
open 1 a r
fallocate 1 0 0 10 -> EBADF
open 2 a rw
fallocate 2 0 0 0 -> EINVAL
fallocate 2 0 -1 10 -> EINVAL
fallocate 2 0 9223372036854775807 1 -> EFBIG
mknod f fifo 644
open 3 f rw
fallocate 3 0 0 10 -> ESPIPE

= More room than the disk has.
open 1 a rw,creat 644
fallocate 1 0 0 4611686018427387904 -> EFBIG ; mount ENOSPC

= What only some file systems do.
put a x{8192}
open 1 a rw
fallocate 1 collapse 0 4096 -> ; mount EOPNOTSUPP
