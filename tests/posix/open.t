# open

= A file is made with the mode asked for, less the umask.
umask 027
open 1 a rw,creat 666
stat a type,mode,size -> file 640 0
open 2 a r,creat,excl 666 -> EEXIST
open 2 b r,creat 7777
stat b mode -> 7750

= A file can be read-only from its first moment.
open 1 a rw,creat 0
write 1 text
stat a mode,size -> 0 4

= What is not there, and what is something else.
open 1 a r -> ENOENT
put f
open 1 f/a r -> ENOTDIR
open 1 f r,directory -> ENOTDIR
mkdir d 755
open 1 d w -> EISDIR
open 1 d rw -> EISDIR
open 1 d r,creat 644 -> EISDIR
open 1 d r
open 2 d r,directory
symlink f l
open 3 l r
open 3 l r,nofollow -> ELOOP
symlink l2 l1
symlink l1 l2
open 3 l1 r -> ELOOP
symlink missing m
open 3 m r -> ENOENT
open 3 m r,creat,excl 644 -> EEXIST
open 3 m w,creat 644
stat missing type -> file

= Names are 255 bytes, paths 4095.
open 1 n{255} rw,creat 644
list . -> n{255}
open 1 n{256} rw,creat 644 -> ENAMETOOLONG
open 1 n{256} r -> ENAMETOOLONG
open 1 /{4096} r -> ENAMETOOLONG

= Truncating.
put a text
open 1 a w,trunc
stat a size -> 0
write 1 x
close 1
get a -> x

= Who may.
put a
chmod a 640
as 65534 65534
open 1 a r -> EACCES
open 1 a w -> EACCES
as 65534 0
open 1 a r
open 2 a w -> EACCES
as 0 0
mkdir d 755
as 65534 65534
open 1 d/a w,creat 644 -> EACCES
as 0 0
chmod d 600
put d/b
chown d 65534 65534
as 65534 65534
open 1 d/b r -> EACCES

= A new file belongs to who makes it; its group is the directory's if that says so.
mkdir d 777
chmod d 777
as 65534 65533
open 1 d/a w,creat 644
stat d/a uid,gid -> 65534 65533
as 0 0
chown d 0 1
chmod d 2777
as 65534 65533
open 1 d/b w,creat 644
stat d/b uid,gid -> 65534 1
mkdir d/e 755
stat d/e gid,mode -> 1 2755

= Making a file changes the directory's times.
mkdir d 755
mark d
open 1 d/a w,creat 644
changed d -> mtime ctime
mark d d/a
open 2 d/a w,creat 644
changed d -> nothing
changed d/a -> nothing

= A file that was removed goes on until it is closed.
open 1 a rw,creat 644
write 1 text
unlink a
stat 1 nlink,size -> 0 4
read 1 10 0 -> text
write 1 more -> 4
truncate 1 6
read 1 10 0 -> textmo
chmod 1 600
stat 1 mode -> 600
open 2 a r -> ENOENT

= A file without a name.
open 1 . rw,tmpfile 640
list . ->
write 1 text -> 4
read 1 10 0 -> text
stat 1 type,mode,nlink,size -> file 640 0 4
truncate 1 2
close 1
list . ->
open 1 . r,tmpfile 644 -> EINVAL
put a
open 1 a rw,tmpfile 644 -> ENOTDIR

= A slash behind a name, and a directory to be made by open.
put a text
mkdir d 755
open 1 a/ r -> ENOTDIR
open 1 d/ r
open 1 x/ rw,creat 644 -> EISDIR
open 1 d/ rw,creat 644 -> EISDIR
open 1 d rw,trunc -> EISDIR
open 1 d/x/y rw,creat 644 -> ENOENT
symlink missing/x l
open 1 l rw,creat 644 -> ENOENT
list . -> a d l

= O_TRUNC without writing cuts as well, if the user may write.
put a text
open 1 a r,trunc
get a ->
put b text
chmod b 444
as 65534 65534
open 2 b r,trunc -> EACCES
as 0 0
get b -> text

= O_PATH and O_NOFOLLOW name a link itself.
symlink x l
open 1 l path -> ENOENT
open 1 l path,nofollow
stat 1 type -> link
read 1 1 -> EBADF
write 1 x -> EBADF
fsync 1 -> EBADF

= O_APPEND and O_TRUNC together.
put a text
open 1 a w,trunc,append
write 1 one -> 3
write 1 two 0 -> 3
get a -> onetwo

= O_NOATIME is for owners.
put a text
chmod a 644
as 65534 65534
open 1 a r,noatime -> EPERM
as 0 0
open 1 a r,noatime
read 1 4 -> text

= A path of many parts.
mkdir d{200} 755
mkdir d{200}/e{200} 755
put d{200}/e{200}/f{255} text
get d{200}/e{200}/f{255} -> text
open 1 d{200}/e{200}/f{256} r -> ENAMETOOLONG
open 1 d{200}/e{256}/f r -> ENAMETOOLONG
open 1 ./////d{200}/../d{200}/e{200}//f{255} r
