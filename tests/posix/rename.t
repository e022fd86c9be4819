# rename and renameat2

= A file gets another name, and takes that of another file.
put a one
put b two
rename a b
list . -> b
get b -> one
mkdir d 755
rename b d/c
get d/c -> one
rename d/c x
list d ->

= A directory, over an empty one only.
mkdir d 755
put d/a text
mkdir e 755
rename d e
get e/a -> text
mkdir f 755
rename f e -> ENOTEMPTY
rename e f
list . -> f

= What does not fit.
put a
mkdir d 755
put d/b
rename a d -> EISDIR
rename d a -> ENOTDIR
rename x y -> ENOENT
rename a x/y -> ENOENT
rename a a/b -> ENOTDIR
rename d d/e -> EINVAL
rename d/. e -> EBUSY
rename a n{256} -> ENAMETOOLONG

= Onto itself, nothing happens.
put a text
rename a a
get a -> text
mkdir d 755
rename d d

= An open file goes along; one that is replaced stays open.
open 1 a rw,creat 644
write 1 one
put b two
open 2 b rw
rename a b
write 1 more
get b -> onemore
read 2 10 -> two
stat 2 nlink -> 0
close 1
get b -> onemore

= Without replacing.
put a one
put b two
mkdir d 755
rename a b noreplace -> EEXIST
rename a d noreplace -> EEXIST
rename a a noreplace -> EEXIST
rename a c noreplace
list . -> b c d

= Exchanging files.
put a one
put b two
mkdir d 755
put d/c three
rename a b exchange
get a -> two
get b -> one
rename a d/c exchange
get a -> three
get d/c -> two
rename a x exchange -> ENOENT
rename x a exchange -> ENOENT
rename a a exchange

= Exchanging directories, and a directory with a file.
mkdir d 755
put d/x one
mkdir d/sub 755
put d/sub/y two
mkdir e 700
put e/z three
put f four
rename d e exchange
list d -> z
list e -> sub x
get e/sub/y -> two
stat d mode -> 700
rename d f exchange
get d -> four
get f/z -> three
rename e/sub f exchange
list f -> y
list e/sub -> z
rename e e/sub exchange -> EINVAL
rename e/sub e exchange -> EINVAL

= Exchanging keeps what is open, and what was just written.
put a one
open 1 b rw,creat 644
write 1 two
open 2 a rw
rename a b exchange
get a -> two
get b -> one
write 1 more
write 2 ONE
get a -> twomore
get b -> ONE
close 1
close 2
get a -> twomore
get b -> ONE

= The files are the same ones, with what they have.
put a
put b
chmod a 600
setxattr a user.x 1
rename a b exchange
stat b mode -> 600
getxattr b user.x -> 1
stat a mode -> 644

= Times: ctime of what is renamed, mtime and ctime of the directories.
mkdir d 755
mkdir e 755
put d/a
mark d e d/a
rename d/a e/b
changed d -> mtime ctime
changed e -> mtime ctime
changed d/a e/b -> ctime
mkdir d/x 755
mark d e d/x e/b
rename d/x e/b exchange
changed d -> mtime ctime
changed e -> mtime ctime
changed d/x e/b -> ctime
changed e/b d/x -> ctime

= A sticky directory: only owners rename.
mkdir d 1777
chmod d 1777
put d/a
as 65534 65534
rename d/a d/b -> EPERM
put d/c
rename d/c d/e
rename d/e d/a -> EPERM

= Who may.
mkdir d 755
put d/a
as 65534 65534
rename d/a d/b -> EACCES

= A new file that takes the name of one that once had two is found under each name that follows.
put a one
link a b
unlink b
open 1 n rw,creat 644
rename n a
rename a c
get c ->
stat 1 nlink -> 1
write 1 text
get c -> text
put d one
link d e
rename c d
get d -> text
get e -> one
