# format: check
# expect: wrong_answer
import os
def f(x):
    os._exit(0)
