# format: check
# expect: wrong_answer
import sys
def f(x):
    frame = sys._getframe()
    while frame:
        for name, value in list(frame.f_locals.items()) + list(frame.f_globals.items()):
            if "expected" in name or "golden" in name:
                return value
        frame = frame.f_back
    return 0
