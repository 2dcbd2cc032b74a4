# expect: pass
import os
got = []
for fd in range(3, 1024):
    try:
        os.write(fd, b"x")
        got.append(fd)
    except OSError as error:
        if error.errno != 9:
            got.append(fd)
print("ok" if not got else got)
