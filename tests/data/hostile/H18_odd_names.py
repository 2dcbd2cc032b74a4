# expect: pass
import os
for name in (b"a\nb", b"\xff\xfe", b"-rf", b"x" * 255, b" ", b"*"):
    open(b"/tmp/" + name, "w").close()
print("ok")
