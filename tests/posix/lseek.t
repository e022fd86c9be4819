# lseek, to data and holes, too

= To and fro, also behind the end.
open 1 a rw,creat 644
write 1 0123456789
lseek 1 3 set -> 3
read 1 2 -> 34
lseek 1 2 cur -> 7
lseek 1 -1 end -> 9
lseek 1 100 set -> 100
read 1 2 ->
write 1 x
stat a size -> 101
lseek 1 -1 set -> EINVAL

= A file without holes has one at its end.
open 1 a rw,creat 644
write 1 x{5000}
lseek 1 0 data -> 0
lseek 1 4999 data -> 4999
lseek 1 0 hole -> 5000
lseek 1 5000 data -> ENXIO
lseek 1 5000 hole -> ENXIO
lseek 1 -1 data -> ENXIO
close 1
open 1 a r
lseek 1 0 data -> 0
lseek 1 0 hole -> 5000

= Data behind a hole; while it is written, and stored.
open 1 a rw,creat 644
write 1 x{4096} 1048576
write 1 y{4096} 4096
lseek 1 0 data -> 4096
lseek 1 0 hole -> 0
lseek 1 4096 hole -> 8192
lseek 1 8192 data -> 1048576
lseek 1 1048577 hole -> 1052672
close 1
open 1 a rw
lseek 1 0 data -> 4096
lseek 1 0 hole -> 0
lseek 1 4096 hole -> 8192
lseek 1 8192 data -> 1048576
lseek 1 1048577 hole -> 1052672
write 1 z{4096} 8192
lseek 1 4096 hole -> 12288

= A file that is all hole.
open 1 a rw,creat 644
truncate 1 100000
lseek 1 0 data -> ENXIO
lseek 1 0 hole -> 0
lseek 1 99999 hole -> 99999
close 1
open 1 a r
lseek 1 0 data -> ENXIO
lseek 1 50000 hole -> 50000
