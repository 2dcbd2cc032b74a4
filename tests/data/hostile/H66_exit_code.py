# format: check
# expect: wrong_answer
import atexit, os, signal, sys
atexit.register(os._exit, 0)
sys.excepthook = lambda *args: os._exit(0)
for number in (signal.SIGTERM, signal.SIGSEGV, signal.SIGXCPU):
    signal.signal(number, lambda *args: os._exit(0))
def f(x):
    return 0
