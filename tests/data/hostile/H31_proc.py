# expect: pass
import os
seen = [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) not in (1, os.getpid())]
for name in ("environ", "mem", "maps", "fd/3"):
    try:
        os.open("/proc/1/" + name, os.O_RDONLY)
        seen.append(name)
    except OSError:
        pass
print("ok" if not seen else seen)
