# setxattr, getxattr, listxattr, removexattr

= An attribute is set, read, listed and removed.
put a
setxattr a user.color blue
getxattr a user.color -> blue
setxattr a user.color red
getxattr a user.color -> red
setxattr a user.b -
getxattr a user.b ->
listxattr a -> user.b user.color
removexattr a user.color
getxattr a user.color -> ENODATA
removexattr a user.color -> ENODATA
listxattr a -> user.b

= Creating does not replace, and replacing does not create.
put a
setxattr a user.x 1 replace -> ENODATA
setxattr a user.x 1 create
setxattr a user.x 2 create -> EEXIST
setxattr a user.x 3 replace
getxattr a user.x -> 3

= The size is told without room, and too little room is an error.
put a
setxattr a user.x 12345
getxattr a user.x 0 -> 5
getxattr a user.x 4 -> ERANGE
getxattr a user.x 5 -> 12345
listxattr a 3 -> ERANGE

= Names outside the known spaces, and too long ones, are refused.
put a
setxattr a other.x 1 -> EOPNOTSUPP
setxattr a x 1 -> EOPNOTSUPP
setxattr a user. 1 -> EINVAL
setxattr a user.x{251} 1 -> ERANGE
setxattr a user.x{250} 1
getxattr a user.x{250} -> 1

= A value has 64 KiB at most.
put a
setxattr a user.x y{65537} -> E2BIG

= Large values, as long as the disk's file system takes them.
put a
setxattr a user.x y{3000}
getxattr a user.x -> y{3000}

= Directories, links and special files have them, as far as the kernel lets them.
mkdir d 755
setxattr d user.x 1
setxattr d trusted.x 2
listxattr d -> trusted.x user.x
symlink a l
setxattr l user.x 1 -> EPERM
setxattr l trusted.x 1
getxattr l trusted.x -> 1
mknod f fifo 644
setxattr f user.x 1 -> EPERM
setxattr f trusted.x 1
listxattr f -> trusted.x

= Trusted attributes are root's.
put a
setxattr a trusted.x 1
setxattr a user.x 1
as 65534 65534
listxattr a -> user.x
getxattr a trusted.x -> ENODATA
getxattr a user.x -> 1
setxattr a user.x 2 -> EACCES
setxattr a trusted.x 2 -> EPERM
removexattr a user.x -> EACCES

= They go along with a rename, and end with the file.
put a
setxattr a user.x 1
rename a b
getxattr b user.x -> 1
put c
rename c b
getxattr b user.x -> ENODATA

= A directory's attributes go along with it.
mkdir d 755
put d/a
setxattr d user.x 1
setxattr d/a user.x 2
rename d e
getxattr e user.x -> 1
getxattr e/a user.x -> 2

= A file that is being written has them, and keeps them.
open 1 a rw,creat 644
setxattr a user.x 1
write 1 text
getxattr a user.x -> 1
close 1
getxattr a user.x -> 1
get a -> text

= Truncating a file keeps them.
put a text
setxattr a user.x 1
open 1 a w,trunc
write 1 new
close 1
getxattr a user.x -> 1

= Setting one changes ctime only.
put a
mark a
setxattr a user.x 1
changed a -> ctime
mark a
removexattr a user.x
changed a -> ctime
mark a
getxattr a user.x -> ENODATA
changed a -> nothing

= A label of SELinux, where there is none.
put a
getxattr a security.selinux -> ENODATA ; mount EOPNOTSUPP
