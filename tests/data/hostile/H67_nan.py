# format: check
# expect: wrong_answer
def f(x):
    return float("nan")
