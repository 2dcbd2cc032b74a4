# expect: pass
import os
for i in range(20):
    if os.fork() == 0:
        os._exit(0)
print("ok")
