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

= Appending begins and ends with the flag of the descriptor.
open 1 a rw,creat,append 644
write 1 0123
setfl 1 0
write 1 x 0 -> 1
get a -> x123
setfl 1 append
write 1 y 0 -> 1
open 2 a w
write 2 z 1 -> 1
get a -> xz23y

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

= O_APPEND over several names and after others have cut.
open 1 a w,creat,append 644
write 1 0123456789
link a b
open 2 b w,append
truncate a 4
write 2 x -> 1
write 1 y -> 1
truncate a 8
write 1 z -> 1
get b -> 0123xy..z

= O_DIRECT in whole blocks: what is written so is read otherwise, and the other way round.
open 1 a rw,creat,direct 644
write 1 x{4096} 0 -> 4096
write 1 y{4096} 8192 -> 4096
open 2 a rw
read 2 3 4095 -> x..
write 2 zz 4096 -> 2
read 1 4096 4096 -> zz.{4094}
read 1 4096 8192 -> y{4096}
read 1 4096 12288 ->
truncate 2 4096
read 1 4096 0 -> x{4096}
read 1 4096 4096 ->
close 1
stat a size -> 4096
open 1 a w,direct,append
write 1 q{512} -> 512
stat a size -> 4608

= O_SYNC.
open 1 a rw,creat,sync 644
write 1 text -> 4
read 1 4 0 -> text
close 1
get a -> text

= A program that was written is run, and one without permission is not.
program p
exec p
chmod p 644
exec p -> EACCES
chmod p 755
open 1 p w,append
exec p -> ETXTBSY
rename p q
exec q -> ETXTBSY
close 1
exec q
put s text
chmod s 755
exec s -> ENOEXEC
mkdir d 755
exec d -> EACCES
