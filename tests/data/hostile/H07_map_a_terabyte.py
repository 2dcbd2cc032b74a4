# expect: runtime_error
import mmap
mmap.mmap(-1, 1 << 40)
print("ok")
