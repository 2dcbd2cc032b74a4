# expect: violation
import ctypes, os
if os.fork() == 0:
    ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)
    os._exit(0)
os.wait()
print("ok")
