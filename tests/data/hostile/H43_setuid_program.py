# expect: pass
import os, subprocess
said = subprocess.run(["/usr/bin/su", "-c", "id -u"], capture_output=True, stdin=subprocess.DEVNULL)
with open("/proc/self/status") as file:
    capabilities = [line.split()[1] for line in file if line.startswith("Cap")]
print("ok" if said.stdout.strip() != b"0" and set(capabilities) == {"0" * 16} else (said, capabilities))
