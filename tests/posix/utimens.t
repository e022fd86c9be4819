# utimensat

= Times are kept to the nanosecond.
put a
utimens a 1000000000.123456789 1500000000.987654321
stat a atime,mtime -> 1000000000.123456789 1500000000.987654321
utimens a omit 1600000000.000000001
stat a atime,mtime -> 1000000000.123456789 1600000000.000000001
utimens a 1.000000000 omit
stat a atime,mtime -> 1.000000000 1600000000.000000001

= Before 1970, and after 2038.
put a
utimens a -100.500000000 4000000000.000000000
stat a mtime -> 4000000000.000000000

= Of directories and links.
mkdir d 755
utimens d 1.000000002 3.000000004
stat d atime,mtime -> 1.000000002 3.000000004
symlink x l
utimens l 1.000000002 3.000000004
stat l mtime -> 3.000000004

= ctime always changes.
put a
mark a
utimens a omit 3.0
changed a -> mtime ctime
mark a
utimens a omit 3.0
changed a -> ctime
mark a
utimens a omit omit
changed a -> nothing
utimens a now now
changed a -> mtime ctime

= Who may: owners set any time, writers the present.
put a
chmod a 666
as 65534 65534
utimens a now now
utimens a 1.0 1.0 -> EPERM
as 0 0
chmod a 644
as 65534 65534
utimens a now now -> EACCES
