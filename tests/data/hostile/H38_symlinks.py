# expect: pass
import os
for name in ("output.txt", "main", "result", "solution.py"):
    os.symlink("/etc/passwd", "/tmp/" + name)
print("ok")
