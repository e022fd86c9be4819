# link and linkat

= A file has several names, in other directories too.
put a text
mkdir d 755
link a b
link b d/c
stat a nlink -> 3
stat d/c nlink,size -> 3 4
same a b -> yes
same a d/c -> yes
get d/c -> text
list . -> a b d

= Times of the directory and of the file.
put a
mkdir d 755
mark a d
link a d/b
changed a -> ctime
changed d -> mtime ctime
mark a d
unlink d/b
changed a -> ctime
changed d -> mtime ctime

= What changes through one name shows under the others.
put a 0123456789
link a b
open 1 b rw
write 1 xy
get a -> xy23456789
close 1
truncate a 4
get b -> xy23
open 1 a w,append
write 1 end
close 1
get b -> xy23end
open 1 b w,trunc
get a ->
write 1 new
close 1
get a -> new
chmod b 600
stat a mode -> 600
chown a 1 2
stat b uid,gid -> 1 2
setxattr a user.x value
getxattr b user.x -> value
utimens a 5.000000000 6.000000000
stat b atime,mtime -> 5.000000000 6.000000000

= Names go one by one, and the last takes the file along.
put a text
link a b
link a c
unlink a
stat b nlink -> 2
open 1 b rw
unlink b
stat 1 nlink -> 1
unlink c
stat 1 nlink -> 0
read 1 10 0 -> text
write 1 more
read 1 10 0 -> more
close 1
list . ->

= A rename moves one name; onto another of the same file it does nothing.
put a text
link a b
rename a c
same b c -> yes
stat b nlink -> 2
rename b c
list . -> b c
stat c nlink -> 2
put x other
link x y
rename b x
stat y nlink -> 1
same c x -> yes
stat c nlink -> 2
get y -> other
rename y c
stat x nlink -> 1
get c -> other

= A directory takes its names along.
mkdir d 755
put d/a text
link d/a b
rename d e
same e/a b -> yes
stat b nlink -> 2

= Files of every kind, but directories.
mknod f fifo 644
link f g
stat g type,nlink -> fifo 2
symlink x l
link l m
stat m type,nlink -> link 2
readlink m -> x
mkdir d 755
link d e -> EPERM

= What is not there, what is there, and what does not fit.
put a
put b
mkdir d 755
link x y -> ENOENT
link a x/y -> ENOENT
link a b -> EEXIST
link a d -> EEXIST
link a a -> EEXIST
link a b/c -> ENOTDIR
link a n{256} -> ENAMETOOLONG
stat a nlink -> 1

= An open file that is not closed yet.
open 1 a rw,creat 644
write 1 text
link a b
get b -> text
unlink a
write 1 more
close 1
get b -> textmore
stat b nlink -> 1

= A file without a name gets its first, and then others.
open 1 . rw,tmpfile 640
write 1 text
linkfd 1 a
stat 1 nlink -> 1
get a -> text
write 1 more
close 1
get a -> textmore
stat a mode,nlink -> 640 1
link a b
stat a nlink -> 2

= Who may.
mkdir d 755
mkdir open 777
chmod open 777
as 65534 65534
put open/a
link open/a open/b
stat open/a nlink -> 2
link open/a d/b -> EACCES
