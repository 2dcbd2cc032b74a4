# expect: pass
import ctypes, os
libc = ctypes.CDLL(None)
got = [libc.unshare(flag) for flag in (0x10000000, 0x20000000, 0x40000000, 0x00020000)]
got.append(libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0))
try:
    os.mknod("/tmp/disk", 0o600 | 0o060000, os.makedev(8, 0))
    got.append("mknod")
except OSError:
    pass
print("ok" if all(result == -1 for result in got) else got)
