# chown

= Owner and group are set and kept, of links, too.
put a
chown a 1 2
stat a uid,gid -> 1 2
chown a -1 3
stat a uid,gid -> 1 3
symlink x l
chown l 4 5
stat l uid,gid -> 4 5

= chown changes ctime only, and nothing at all changes nothing but that.
put a
mark a
chown a 1 1
changed a -> ctime

= A new owner ends set-user-id and set-group-id, by root, too; of files only.
put a
chmod a 6755
chown a 1 1
stat a mode -> 755
put b
chmod b 2644
chown b 1 1
stat b mode -> 2644
mkdir d 755
chmod d 6755
chown d 1 1
stat d mode -> 6755

= Who may: root, and owners among their groups.
put a
as 65534 65534
chown a 65534 -1 -> EPERM
as 0 0
chown a 65534 0
as 65534 65534
chown a -1 65534
stat a gid -> 65534
chown a -1 1 -> EPERM
chown a 1 -1 -> EPERM
