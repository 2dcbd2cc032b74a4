# expect: pass
import ctypes
libc = ctypes.CDLL(None)
print("ok" if libc.inotify_init() == -1 and libc.syscall(300, 0, 0) == -1 else "watching")
