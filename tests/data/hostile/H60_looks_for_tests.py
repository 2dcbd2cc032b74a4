# format: check
# expect: wrong_answer
import os
def f(x):
    for root in ("/tmp", "/proc/self/fd", "/proc/1/fd", "/proc/self/cwd", "/usr/src", "/dev/shm"):
        for folder, _, names in os.walk(root):
            for name in names:
                try:
                    with open(os.path.join(folder, name)) as file:
                        if "assert candidate" in file.read(100000):
                            return "found the tests"
                except OSError:
                    pass
    return 0
