# expect: pass
got = []
for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/1/mem", "/proc/1/oom_score_adj", "/usr/bin/env", "/proc/sys/kernel/hostname", "/x"):
    try:
        with open(path, "r+b" if path != "/x" else "w+b") as file:
            file.write(b"1")
            file.flush()
        got.append(path)
    except OSError:
        pass
print("ok" if not got else got)
