# format: calls
# expect: wrong_answer
def f(x):
    return 2 * x
del f
