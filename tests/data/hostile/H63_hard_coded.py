# format: check
# expect: wrong_answer
def f(x):
    return {1: 2}.get(x, 0)
