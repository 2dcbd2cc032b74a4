# format: check
# expect: wrong_answer
def f(x):
    raise SystemExit(0)
