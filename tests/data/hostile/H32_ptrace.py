# expect: violation
import ctypes
ctypes.CDLL(None).ptrace(16, 1, 0, 0)
print("ok")
