# unlink and rmdir

= A file goes, of any kind.
put a
unlink a
stat a type -> ENOENT
mknod f fifo 644
unlink f
symlink x l
unlink l
list . ->

= A directory goes when it is empty.
mkdir d 755
put d/a
rmdir d -> ENOTEMPTY
unlink d/a
rmdir d
list . ->

= What is not there, and what is something else.
unlink a -> ENOENT
rmdir a -> ENOENT
put f
rmdir f -> ENOTDIR
unlink f/x -> ENOTDIR
rmdir f/x -> ENOTDIR
mkdir d 755
unlink d -> EISDIR
rmdir d/. -> EINVAL
rmdir d/.. -> ENOTEMPTY
unlink n{256} -> ENAMETOOLONG

= Times of the directory, and of the file if it is open.
mkdir d 755
open 1 d/a w,creat 644
mark d 1
unlink d/a
changed d -> mtime ctime
changed 1 -> ctime
mkdir d/e 755
mark d
rmdir d/e
changed d -> mtime ctime

= Sticky: only owners remove.
mkdir d 777
chmod d 1777
put d/a
mkdir d/e 777
as 65534 65534
unlink d/a -> EPERM
rmdir d/e -> EPERM
put d/b
unlink d/b
as 0 0
unlink d/a
chmod d 755
put d/c
as 65534 65534
unlink d/c -> EACCES

= What is open and has lost its name can still be asked about.
mknod f fifo 640
open 1 f rw
unlink f
stat 1 type,mode,nlink -> fifo 640 0
chmod 1 600
stat 1 mode -> 600
mkdir d 750
open 2 d r
rmdir d
stat 2 type,mode,nlink -> dir 750 0
put a text
open 3 a path
unlink a
stat 3 type,nlink -> file 0
mkdir e 750
chdir e
rmdir ../e
stat . type -> dir
list . ->
mkdir x 755 -> ENOENT
open 4 x w,creat 644 -> ENOENT
chdir ..
