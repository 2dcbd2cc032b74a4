# expect: pass
import fcntl, os
got = []
for fd in (0, 1, 2):
    try:
        fcntl.ioctl(fd, 0x5412, b"x")
        got.append(fd)
    except OSError:
        pass
try:
    os.open("/dev/tty", os.O_RDWR)
    got.append("tty")
except OSError:
    pass
print("ok" if not got else got)
