# read and write, in their ways

= What was written is read, also behind holes.
open 1 a rw,creat 644
write 1 abc -> 3
write 1 xyz 6 -> 3
read 1 20 0 -> abc...xyz
close 1
get a -> abc...xyz

= O_APPEND writes at the end, whoever wrote meanwhile; pwrite, too.
open 1 a w,creat,append 644
open 2 a w,append
write 1 one -> 3
write 2 two -> 3
write 1 three 0 -> 5
get a -> onetwothree
truncate a 3
write 2 four -> 4
get a -> onefour

= Reading and writing need the right kind of opening.
put a text
open 1 a w
read 1 4 -> EBADF
open 2 a r
write 2 x -> EBADF
truncate 2 0 -> EINVAL
mkdir d 755
open 3 d r
read 3 4 -> EISDIR

= O_DIRECT.
open 1 a rw,creat,direct 644
truncate 1 8192
stat a size -> 8192
close 1
put b text
open 1 b r
open 2 b r,direct
read 1 10 -> text

= Times: writing changes mtime and ctime, reading neither.
put a text
open 1 a rw
mark a
read 1 4
changed a -> nothing
mark a
write 1 x
changed a -> mtime ctime

= Offsets past what a file can be.
open 1 a rw,creat 644
write 1 x -1 -> EINVAL
write 1 x 9223372036854775807 -> EINVAL

= A program that runs cannot be written, and one being written cannot run.
program p
open 1 p w
exec p -> ETXTBSY
close 1
exec p
