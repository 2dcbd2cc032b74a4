# expect: pass
import os
seen = []
for path in ("/etc/shadow", "/etc/passwd", "/root", "/home", "/root/.ssh/id_rsa", "/var", "/run", "/work", "/sys", "/mnt", "/boot", "/opt"):
    if os.path.exists(path):
        seen.append(path)
seen += [name for name in os.listdir("/") if name not in ("bin", "dev", "lib", "lib64", "proc", "sbin", "tmp", "usr")]
print("ok" if not seen else seen)
