# copy_file_range

= A part of a file is copied into another.
put a 0123456789
open 1 a r
open 2 b rw,creat 644
copy 1 2 2 0 5 -> 5
get b -> 23456
copy 1 0 2 10 100 -> 10
get b -> 23456.....0123456789
copy 1 10 2 0 5 -> 0

= Inside one file, if the parts do not overlap.
put a 0123456789
open 1 a rw
copy 1 0 1 5 5 -> 5
get a -> 0123401234
copy 1 0 1 3 5 -> EINVAL

= What was just written is copied, too.
open 1 a rw,creat 644
write 1 new
open 2 b w,creat 644
copy 1 0 2 0 10 -> 3
close 2
get b -> new

= Errors.
put a text
put b
open 1 a w
open 2 b w
copy 1 0 2 0 4 -> EBADF
open 1 a r
open 2 b r
copy 1 0 2 0 4 -> EBADF
open 2 b w,append
copy 1 0 2 0 4 -> EBADF
mkdir d 755
open 3 d r
copy 3 0 1 0 4 -> EISDIR
