# expect: pass
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
wrong = []
for name, number in (("bpf", 321), ("perf_event_open", 298), ("userfaultfd", 323), ("add_key", 248), ("clone3", 435),
                     ("memfd_create", 319), ("x32 getpid", 0x40000000 | 39), ("landlock", 444), ("fanotify", 300),
                     ("unknown", 600)):
    result = libc.syscall(number, 0, 0, 0, 0, 0)
    if result != -1 or ctypes.get_errno() not in (1, 38):
        wrong.append((name, result, ctypes.get_errno()))
print("ok" if not wrong else wrong)
