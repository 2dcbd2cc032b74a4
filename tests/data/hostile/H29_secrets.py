# expect: pass
import os
seen = []
for path in ("/etc/shadow", "/etc/passwd", "/root", "/home", "/root/.ssh/id_rsa", "/var", "/run", "/sys", "/mnt", "/srv", "/boot", "/opt"):
    if os.path.exists(path):
        seen.append(path)
seen += [name for name in os.listdir("/") if name not in ("bin", "dev", "lib", "lib64", "proc", "sbin", "tmp", "usr")]
print("ok" if not seen else seen)
