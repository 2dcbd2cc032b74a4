# expect: memory_limit
import ctypes
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
libc.shmdt.argtypes = [ctypes.c_void_p]
for key in range(1, 100):
    at = libc.shmat(libc.shmget(key, ctypes.c_size_t(16 << 20), 0o1666), None, 0)
    ctypes.memset(at, 1, 16 << 20)
    libc.shmdt(at)
import time
time.sleep(2)
print("ok")
