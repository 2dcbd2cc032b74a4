# format: check
# expect: wrong_answer
def f(x):
    print("All tests passed")
    print("OK\n\n1 passed in 0.01s")
    return None
