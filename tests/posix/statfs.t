# statfs

= Names of 255 bytes, blocks, and never more free than there are.
statfs . namemax,blocks,files -> 255 sane sane
put a
statfs a namemax,blocks -> 255 sane
open 1 a r
statfs 1 namemax -> 255
symlink a l
statfs l namemax -> 255

= Whoever may get there may ask.
mkdir d 700
put d/a
as 65534 65534
statfs d/a namemax -> EACCES
statfs . namemax -> 255

= What is not there.
statfs x namemax -> ENOENT
put a
statfs a/x namemax -> ENOTDIR
statfs n{256} namemax -> ENAMETOOLONG
symlink l l
statfs l namemax -> ELOOP
