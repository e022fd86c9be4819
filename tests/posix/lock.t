# flock and fcntl

= One open file at a time has the lock.
put a
open 1 a rw
open 2 a rw
flock 1 ex,nb
flock 2 ex,nb -> EAGAIN
flock 2 sh,nb -> EAGAIN
child flockname a ex,nb -> EAGAIN
flock 1 un
flock 2 sh,nb
flock 1 sh,nb
close 2
flock 1 ex,nb
close 1
child flockname a ex,nb

= Locks of ranges, between processes.
put a
open 1 a rw
lock 1 write 10 10
child lock 1 write 15 1 -> EAGAIN
child lock 1 read 19 5 -> EAGAIN
child lock 1 write 20 10
child lock 1 write 0 10
lock 1 un 10 5
child lock 1 write 10 5
child lock 1 read 15 1 -> EAGAIN
lock 1 read 15 5
child lock 1 read 15 1
child lock 1 write 15 1 -> EAGAIN

= Closing any descriptor of the file ends the locks of the process.
put a
open 1 a rw
open 2 a rw
lock 1 write 0 0
child lock 1 write 0 1 -> EAGAIN
close 2
child lock 1 write 0 1

= What is in the way is told.
put a
open 1 a rw
lock 1 write 10 10
lock 1 read 40 5
child getlock 1 read 0 10
child getlock 1 write 40 1
getlock 1 write 0 0 -> nothing
open 2 a rw
ofdlock 2 write 10 1 -> EAGAIN
getlock 2 write 0 0 -> nothing

= Locks of an open file hold between open files of one process, and end with it.
put a
open 1 a rw
open 2 a rw
ofdlock 1 write 0 10
ofdlock 2 read 5 1 -> EAGAIN
getlock 2 read 0 0 -> write 0 10
ofdlock 2 write 10 10
ofdlock 1 un 0 10
ofdlock 2 read 5 1
ofdlock 1 write 0 4
close 1
ofdlock 2 write 0 4

= Kinds of opening: a lock to read needs reading, one to write writing; flock needs neither.
put a
open 1 a r
lock 1 write 0 1 -> EBADF
lock 1 read 0 1
flock 1 ex
open 2 a w
lock 2 read 0 1 -> EBADF
lock 1 read -1 1 -> EINVAL

= A lock goes along with a file that is renamed, linked or removed.
put a
open 1 a rw
flock 1 ex
lock 1 write 0 0
rename a b
child flockname b ex,nb -> EAGAIN
link b c
child flockname c ex,nb -> EAGAIN
unlink b
unlink c
put b
child flockname b ex,nb
flock 1 sh
child lock 1 read 0 1 -> EAGAIN
