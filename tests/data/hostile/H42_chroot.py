# expect: violation runtime_error
import os
os.chroot("/tmp")
print("ok")
