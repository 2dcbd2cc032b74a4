# expect: time_limit
import os
for i in range(4):
    if os.fork() == 0:
        while True:
            pass
for i in range(4):
    os.wait()
print("ok")
