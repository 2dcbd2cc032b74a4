# format: check
# expect: wrong_answer
import builtins, sys
def always(*args, **kwargs):
    return True
builtins.check = builtins.run_tests = builtins.AssertionError = always
main = sys.modules["__main__"]
for name in list(vars(main)):
    if callable(getattr(main, name)) and name not in ("text", "Channel", "find", "answer", "failure", "main"):
        try:
            setattr(main, name, always)
        except Exception:
            pass
def f(x):
    return 0
