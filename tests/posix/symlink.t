# symlink and readlink

= It says what it was given, which need not be there.
symlink target l
readlink l -> target
stat l type,mode,size,nlink -> link 777 6 1
symlink ../x//y/. m
readlink m -> ../x//y/.
symlink / n
readlink n -> /
symlink 0 o
readlink o -> 0

= The umask is not for links, and its owner is who made it.
umask 077
mkdir d 777
chmod d 2777
chown d 0 7
as 65534 65533
symlink x d/l
stat d/l mode,uid,gid -> 777 65534 7

= As long as a path can be.
symlink x{4095} l
readlink l -> x{4095}
stat l size -> 4095
symlink x{4096} m -> ENAMETOOLONG
symlink x n{256} -> ENAMETOOLONG
symlink x n{255}
readlink n{255} -> x
symlink - e -> ENOENT

= What is there, what is not, and what is no link.
put f
mkdir d 755
symlink x f -> EEXIST
symlink x d -> EEXIST
symlink x l
symlink y l -> EEXIST
readlink l -> x
symlink x missing/l -> ENOENT
symlink x f/l -> ENOTDIR
symlink x l/ -> EEXIST
readlink f -> EINVAL
readlink d -> EINVAL
readlink missing -> ENOENT
readlink f/x -> ENOTDIR
readlink n{256} -> ENAMETOOLONG
mknod p fifo 644
readlink p -> EINVAL

= Paths go through it.
mkdir d 755
mkdir d/e 755
put d/e/f text
symlink d/e l
get l/f -> text
symlink ../d/e/f d/m
get d/m -> text
symlink l/f n
get n -> text
chmod n 600
stat d/e/f mode -> 600
truncate n 2
get d/e/f -> te
symlink e d/k
list d/k -> f
mkdir l/new 755
list d/e -> f new
open 1 d/k/g w,creat 644
list l -> f g new
rename l/g l/h
list d/e -> f h new
unlink n
get d/e/f -> te
access l/missing f -> ENOENT

= Forty are followed, and no more; a circle is none.
symlink b a
symlink a b
symlink self self
open 1 a r -> ELOOP
open 1 self r -> ELOOP
open 1 a/x r -> ELOOP
truncate a 0 -> ELOOP
chmod self 600 -> ELOOP
access b f -> ELOOP
mkdir self/d 755 -> ELOOP
link self/x y -> ELOOP
rename self/x y -> ELOOP
unlink self/x -> ELOOP
symlink x self/y -> ELOOP
mknod self/f fifo 644 -> ELOOP
readlink self/x -> ELOOP
readlink self -> self
unlink self
list . -> a b

= A link is what is renamed, linked, removed and owned.
put f text
symlink f l
rename l m
readlink m -> f
link m n
stat n type,nlink -> link 2
readlink n -> f
chown n 1 2
stat m uid,gid -> 1 2
stat f uid,gid -> 0 0
unlink m
unlink n
get f -> text
symlink f o
put g other
rename g o
stat o type -> file
get o -> other
get f -> text

= Its times, and those of the directory.
mkdir d 755
mark d
symlink x d/l
changed d -> mtime ctime
mark d d/l
readlink d/l -> x
changed d/l -> nothing
chown d/l 1 1
changed d/l -> ctime
changed d -> nothing
unlink d/l
changed d -> mtime ctime

= Who may.
mkdir d 755
symlink x d/l
mkdir s 777
chmod s 1777
symlink x s/l
as 65534 65534
symlink x d/m -> EACCES
readlink d/l -> x
unlink d/l -> EACCES
unlink s/l -> EPERM
as 0 0
chmod d 700
as 65534 65534
readlink d/l -> EACCES
