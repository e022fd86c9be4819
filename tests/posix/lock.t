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
