# expect: pass
import os
os.mkdir("/tmp/locked")
open("/tmp/locked/file", "w").close()
os.chmod("/tmp/locked", 0)
os.chmod("/tmp", 0)
print("ok")
