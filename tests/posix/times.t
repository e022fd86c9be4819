# Which call changes which time, where no other table says it. Failures change none.

= Opening changes nothing but with O_TRUNC, also of what is empty already.
put a text
mark a
open 1 a rw
open 2 a r
open 3 a w,append
open 4 a rw,creat 644
close 1
close 2
changed a -> nothing
open 1 a w,trunc
changed a -> mtime ctime
mark a
open 1 a w,trunc
changed a -> mtime ctime

= Writing nothing is no change; writing what was there is one.
put a text
open 1 a rw
mark a
write 1 - 0
changed a -> nothing
put b text
open 2 b rw
mark b
write 2 text 0
changed b -> mtime ctime

= truncate by name to the size that is there.
put a text
mark a
truncate a 4
changed a -> mtime ctime

= Attributes change ctime, also to what they are.
put a
chmod a 640
mark a
chmod a 640
changed a -> ctime
mark a
chown a -1 -1
changed a -> ctime ; mount nothing
mark a
chown a 0 0
changed a -> ctime

= A store into a map shows when it is synced at the latest.
open 1 a rw,creat 644
write 1 x{4096}
map 1 4096
mark a
load 1 3 0 -> xxx
changed a -> nothing
store 1 abc 0
sync 1 4096
changed a -> mtime ctime
unmap 1 4096

= Copying changes the file that is written, reading and seeking none.
put a 0123456789
put b
open 1 a r
open 2 b rw
mark a b
lseek 1 0 hole -> 10
lseek 1 0 set -> 0
copy 1 0 2 0 5 -> 5
changed a -> nothing
changed b -> mtime ctime
mark b
copy 1 10 2 0 5 -> 0
changed b -> nothing

= Locks change nothing.
put a
open 1 a rw
mark a
flock 1 ex
lock 1 write 0 1
fsync 1
changed a -> nothing

= What fails changes nothing.
mkdir d 755
put d/a
mkdir d/e 755
mark d d/a d/e
mkdir d/a 755 -> EEXIST
link d/a d/e -> EEXIST
symlink x d/a -> EEXIST
unlink d/e -> EISDIR
rmdir d/a -> ENOTDIR
rename d/a d/e -> EISDIR
rename d/a d/e noreplace -> EEXIST
open 1 d/a w,creat,excl 644 -> EEXIST
truncate d/a -1 -> EINVAL
setxattr d/a user.x 1 replace -> ENODATA
changed d -> nothing
changed d/a -> nothing
changed d/e -> nothing

= Listing and walking change nothing.
mkdir d 755
put d/a
mark d d/a
list d -> a
chdir d
stat a type -> file
access a r
chdir ..
changed d -> nothing
changed d/a -> nothing

= A file keeps its time of modification when it is renamed, linked and exchanged.
put a
utimens a 1.0 1000000000.000000007
link a b
rename b c
stat c mtime -> 1000000000.000000007
put d
rename c d exchange
stat d mtime -> 1000000000.000000007

= The time of the last access that was set stays; writing does not change it.
put a text
utimens a 2000000000.000000001 1.0
open 1 a rw
read 1 4 -> text
write 1 more
close 1
stat a atime -> 2000000000.000000001
