# expect: memory_limit
import os, time
for i in range(20):
    if os.fork() == 0:
        kept = bytearray(b"x") * (30 << 20)
        time.sleep(1000)
        os._exit(0)
time.sleep(2)
print("ok")
