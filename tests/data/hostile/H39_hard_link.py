# expect: pass
import os
try:
    os.link("/usr/bin/env", "/tmp/env")
    print("linked")
except OSError:
    print("ok")
