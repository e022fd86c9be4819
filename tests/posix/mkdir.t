# mkdir, symlink, mknod

= A directory, with the mode asked for less the umask.
umask 027
mkdir d 777
stat d type,mode -> dir 750
mkdir d 777 -> EEXIST
mkdir d/e/f 755 -> ENOENT
put a
mkdir a 755 -> EEXIST
mkdir a/b 755 -> ENOTDIR
mkdir n{255} 755
mkdir n{256} 755 -> ENAMETOOLONG

= A link is as long as what it says.
symlink target l
stat l type,mode,size -> link 777 6
readlink l -> target
symlink x l -> EEXIST
symlink x{4095} m
readlink m -> x{4095}
symlink x{4096} n -> ENAMETOOLONG
put a
readlink a -> EINVAL
readlink b -> ENOENT

= Special files.
umask 0
mknod f fifo 622
stat f type,mode -> fifo 622
mknod s socket 755
stat s type,mode -> socket 755
mknod c char 600 1 3
stat c type,rdev -> char 1:3
mknod b block 600 7 200
stat b type,rdev -> block 7:200
mknod a file 644
stat a type,size -> file 0
mknod a fifo 644 -> EEXIST
open 1 s r -> ENXIO
open 1 c r -> ; mount EACCES
open 1 f w,nonblock -> ENXIO

= A pipe works.
mknod f fifo 644
open 1 f rw
write 1 text
read 1 4 -> text

= Times of the directory that something is made in.
mkdir d 755
mark d
mkdir d/a 755
changed d -> mtime ctime
mark d
symlink x d/b
changed d -> mtime ctime
mark d
mknod d/c fifo 644
changed d -> mtime ctime

= Who may.
mkdir d 755
as 65534 65534
mkdir d/a 755 -> EACCES
symlink x d/a -> EACCES
mknod d/a fifo 644 -> EACCES

= Names relative to the working directory.
mkdir a 755
mkdir a/b 755
chdir a/b
mkdir c 755
chdir c
put x text
chdir ../../..
get a/b/c/x -> text
