# expect: pass
import fcntl
def locks(take):
    try:
        with open("/usr/bin/env", "rb") as file:
            take(file)
        return True
    except OSError:
        return False
taken = [locks(lambda file: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)),
         locks(lambda file: fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)),
         locks(lambda file: fcntl.fcntl(file, 1024, fcntl.F_RDLCK)),
         locks(lambda file: fcntl.fcntl(file, 1026, 1))]
print("ok" if not any(taken) else taken)
