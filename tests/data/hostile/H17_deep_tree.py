# expect: pass
import os
try:
    for i in range(10000):
        os.mkdir("d")
        os.chdir("d")
except OSError:
    pass
print("ok")
