# expect: pass
import os
names = set(os.environ) - {"PATH", "HOME", "TMPDIR", "LANG", "PYTHONHASHSEED"}
print("ok" if not names else names)
