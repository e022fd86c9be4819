# mknod

= All kinds, with the mode asked for less the umask, and all bits of it.
umask 027
mknod f fifo 666
stat f type,mode,size,nlink -> fifo 640 0 1
mknod s socket 777
stat s type,mode -> socket 750
mknod a file 666
stat a type,mode,size -> file 640 0
umask 0
mknod g fifo 7777
stat g mode -> 7777
mknod c char 600 1 3
stat c type,rdev -> char 1:3
mknod b block 600 4095 1048575
stat b type,rdev,size -> block 4095:1048575 0
mknod x dir 755 -> EPERM

= They are listed, renamed, linked and removed like files.
mknod f fifo 644
mknod c char 644 1 5
mknod s socket 644
list . -> c f s
rename f g
stat g type -> fifo
link c d
stat d type,rdev,nlink -> char 1:5 2
rename d s
list . -> c g s
stat s type,rdev -> char 1:5
put p text
rename p g
get g -> text
unlink c
unlink s
list . -> g

= What cannot be.
put a
mkdir d 755
mknod a fifo 644 -> EEXIST
mknod d fifo 644 -> EEXIST
mknod x/f fifo 644 -> ENOENT
mknod a/f fifo 644 -> ENOTDIR
mknod n{256} fifo 644 -> ENAMETOOLONG
mknod f/ fifo 644 -> ENOENT
symlink nowhere l
mknod l fifo 644 -> EEXIST
truncate a 0
mknod f fifo 644
truncate f 0 -> EINVAL
open 1 f r,directory -> ENOTDIR
list f -> ENOTDIR

= Opening: pipes join, sockets cannot be opened, devices not in the mount.
mknod f fifo 644
open 1 f w,nonblock -> ENXIO
open 1 f r,nonblock
open 2 f w
write 2 text
read 1 10 -> text
stat f size -> 0
mknod s socket 644
open 3 s r -> ENXIO
open 3 s w -> ENXIO
mknod c char 666 1 3
open 3 c w -> ; mount EACCES
open 3 c path

= A pipe that was removed goes on; another of its name is another pipe.
mknod f fifo 644
open 1 f rw,nonblock
write 1 one
unlink f
mknod f fifo 644
open 2 f rw,nonblock
read 2 3 -> EAGAIN
read 1 3 -> one

= Owner and group, and what set-group-id of the directory does.
mkdir d 777
chmod d 777
as 65534 65533
mknod d/f fifo 644
stat d/f uid,gid -> 65534 65533
as 0 0
chmod d 2777
chown d 0 9
as 65534 65533
mknod d/g fifo 644
stat d/g gid,mode -> 9 644

= Who may: everybody pipes and sockets, only root devices.
mkdir d 755
as 65534 65534
mknod d/f fifo 644 -> EACCES
as 0 0
chmod d 777
as 65534 65534
mknod d/f fifo 644
mknod d/s socket 644
mknod d/a file 644
mknod d/c char 644 1 3 -> EPERM
mknod d/b block 644 1 3 -> EPERM
list d -> a f s

= They have times, which writing to a pipe changes, too.
mkdir d 755
mark d
mknod d/f fifo 644
changed d -> mtime ctime
utimens d/f 1.000000002 3.000000004
stat d/f atime,mtime -> 1.000000002 3.000000004
chmod d/f 600
stat d/f mode,mtime -> 600 3.000000004
mark d d/f
chown d/f 1 1
changed d/f -> ctime
changed d -> nothing
