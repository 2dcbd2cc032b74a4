# expect: pass output_limit
import sys
for i in range(10):
    sys.stderr.write("x" * (1 << 20))
print("ok")
