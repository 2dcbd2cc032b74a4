# expect: pass
import os, signal
for pid, number in ((-1, signal.SIGKILL), (os.getppid(), signal.SIGKILL), (os.getppid(), signal.SIGSTOP), (1, signal.SIGTERM)):
    try:
        os.kill(pid, number)
    except OSError:
        pass
print("ok")
