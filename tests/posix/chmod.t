# chmod, and what becomes of set-user-id and set-group-id

= A mode is set and kept.
put a
chmod a 640
stat a mode -> 640
chmod a 7777
stat a mode -> 7777
mkdir d 700
chmod d 1755
stat d mode -> 1755

= chmod changes ctime only.
put a
mark a
chmod a 600
changed a -> ctime

= Who may.
put a
as 65534 65534
chmod a 777 -> EPERM
as 0 0
chown a 65534 65534
as 65534 65534
chmod a 600
stat a mode -> 600

= A user outside of the group does not keep set-group-id.
put a
chown a 65534 65533
as 65534 65534
chmod a 2755
stat a mode -> 755

= Writing by others than root ends set-user-id and set-group-id.
put a
chmod a 6777
as 65534 65534
open 1 a w
write 1 x
stat a mode -> 777

= So does truncating.
put a text
chmod a 6777
as 65534 65534
truncate a 1
stat a mode -> 777

= So does opening with O_TRUNC.
put a text
chmod a 6777
as 65534 65534
open 1 a w,trunc
stat a mode -> 777

= Writing by root does not.
put a
chmod a 6777
open 1 a w
write 1 x
truncate a 0
stat a mode -> 6777

= Set-group-id without permission to execute is a mark, which others than the group end, too.
put a
chmod a 2666
as 65534 65534
open 1 a w
write 1 x
stat a mode -> 666
as 0 0
chown a 65534 65534
chmod a 2666
as 65534 65534
open 1 a w
write 1 x
stat a mode -> 2666 ; mount 666
