# POSIX access control lists

= A list and the mode are in step.
put a
chmod a 640
setacl a access u=rw,u65534=rw,g=r,m=rw,o=
stat a mode -> 660
chmod a 604
getacl a access -> u=rw,u65534=rw,g=r,m=,o=r
chmod a 640
getacl a access -> u=rw,u65534=rw,g=r,m=r,o=

= A list that says no more than a mode is none.
put a
setacl a access u=rwx,g=rx,o=x
stat a mode -> 751
getacl a access -> ENODATA
listxattr a ->

= The kernel decides by the list.
put a text
chmod a 600
as 65534 65534
get a -> EACCES
as 0 0
setacl a access u=rw,u65534=r,g=,m=r,o=
as 65534 65534
get a -> text
open 1 a w -> EACCES
as 65533 65533
get a -> EACCES
as 0 0
chmod a 600
as 65534 65534
get a -> EACCES

= The default list of a directory comes down to files, in place of the umask.
mkdir d 755
setacl d default u=rwx,u65534=rwx,g=rx,m=rwx,o=
umask 077
open 1 d/a rw,creat 666
stat d/a mode -> 660
getacl d/a access -> u=rw,u65534=rwx,g=rx,m=rw,o=
getacl d/a default -> ENODATA

= And to directories, which hand it on.
mkdir d 755
setacl d default u=rwx,u65534=rx,g=rx,m=rx,o=x
mkdir d/e 700
stat d/e mode -> 700
getacl d/e default -> u=rwx,u65534=rx,g=rx,m=rx,o=x
getacl d/e access -> u=rwx,u65534=rx,g=rx,m=,o=
mknod d/e/f fifo 666
getacl d/e/f access -> u=rw,u65534=rx,g=rx,m=r,o=
symlink x d/e/l
stat d/e/l mode -> 777

= A minimal default list sets modes, and files get no list.
mkdir d 755
setacl d default u=rwx,g=,o=
put d/a
stat d/a mode -> 600
getacl d/a access -> ENODATA

= Only directories have a default list.
put a
setacl a default u=rwx,g=,o= -> EACCES

= What is no list is refused.
put a
setacl a access u=rw,u65534=rw,g=r,o= -> EINVAL
setxattr a system.posix_acl_access x -> EINVAL

= Only the owner sets one.
put a
as 65534 65534
setacl a access u=rw,u65534=rw,g=r,m=rw,o= -> EPERM
