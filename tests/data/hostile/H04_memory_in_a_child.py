# expect: memory_limit
import os, time
if os.fork() == 0:
    kept = []
    while True:
        kept.append(bytearray(b"x") * (1 << 20))
os.wait()
print("ok")
