# rmdir

= An empty directory goes, also one that is open or where somebody is.
mkdir d 755
mkdir d/e 755
rmdir d/e
list d ->
open 1 d r
rmdir d
stat d type -> ENOENT
stat 1 type,nlink -> dir 0
list . ->

= What has something in it stays, whatever that is.
mkdir d 755
mkdir d/e 755
rmdir d -> ENOTEMPTY
rmdir d/e
symlink missing d/l
rmdir d -> ENOTEMPTY
unlink d/l
mknod d/f fifo 644
rmdir d -> ENOTEMPTY
unlink d/f
open 1 d/a rw,creat 644
rmdir d -> ENOTEMPTY
unlink d/a
rmdir d

= What is no directory, and names that are none.
put f
symlink d l
mkdir d 755
rmdir f -> ENOTDIR
rmdir l -> ENOTDIR
rmdir l/ -> ENOTDIR
rmdir f/ -> ENOTDIR
rmdir x -> ENOENT
rmdir x/y -> ENOENT
rmdir d/. -> EINVAL
rmdir d/.. -> ENOTEMPTY
rmdir n{256} -> ENAMETOOLONG
rmdir n{256}/x -> ENAMETOOLONG
symlink b a
symlink a b
rmdir a/x -> ELOOP
rmdir d/
list . -> a b f l

= Times of the directory it was in; a failure changes none.
mkdir d 755
mkdir d/e 755
put d/e/f
mark d d/e
rmdir d/e -> ENOTEMPTY
changed d -> nothing
changed d/e -> nothing
unlink d/e/f
rmdir d/e
changed d -> mtime ctime

= Who may: who can write to the directory it is in; with the sticky bit only owners.
mkdir d 755
mkdir d/e 777
chmod d/e 777
mkdir d/e/f 777
as 65534 65534
rmdir d/e/f
mkdir d/e/mine 700
rmdir d/e -> EACCES
as 0 0
chmod d/e 1777
mkdir d/e/theirs 777
as 65534 65534
rmdir d/e/theirs -> EPERM
rmdir d/e/mine
as 65533 65533
rmdir d/e/theirs -> EPERM

= It can be made anew at once.
mkdir d 700
mkdir d/x 755
rmdir d/x
rmdir d
mkdir d 755
stat d mode -> 755
list d ->
put d -> EISDIR
