# truncate

= Shorter and longer.
put a 0123456789
truncate a 4
get a -> 0123
truncate a 8
get a -> 0123....
truncate a 0
get a ->
open 1 a rw
truncate 1 3
read 1 10 -> ...

= A file that is cut and then longer again has zeros there.
open 1 a rw,creat 644
write 1 x{10000}
truncate 1 5000
truncate 1 10000
read 1 4 4998 -> xx..
close 1
put b x{10000}
truncate b 5000
truncate b 10000
open 1 b r
read 1 4 4998 -> xx..

= Times: mtime and ctime, of open files even if the size stays.
put a text
mark a
truncate a 2
changed a -> mtime ctime
open 1 a rw
mark a
truncate 1 2
changed a -> mtime ctime

= Errors.
truncate a 0 -> ENOENT
put a
truncate a -1 -> EINVAL
mkdir d 755
truncate d 0 -> EISDIR
put f
truncate f/x 0 -> ENOTDIR
as 65534 65534
truncate a 0 -> EACCES
