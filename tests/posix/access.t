# Permissions, checked by the kernel, for every user

= By owner, group and others.
put a
chmod a 640
chown a 1 2
access a r,w
as 1 99
access a r,w
access a x -> EACCES
as 99 2
access a r
access a w -> EACCES
as 99 99
access a r -> EACCES
access a f

= An owner has less than others, if the mode says so.
put a
chown a 1 2
chmod a 077
as 1 99
access a r -> EACCES
as 99 2
access a r,w,x
as 99 99
access a r,w,x

= A directory must be executable to be passed, readable to be listed.
mkdir d 711
put d/a text
as 65534 65534
get d/a -> text
list d -> EACCES
as 0 0
chmod d 744
as 65534 65534
list d -> a
get d/a -> EACCES

= Root runs only what can be run.
put a
access a r,w
access a x -> EACCES
chmod a 100
access a x
