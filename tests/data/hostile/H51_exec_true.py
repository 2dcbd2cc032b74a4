# format: check
# expect: wrong_answer
import os
def f(x):
    os.execv("/usr/bin/true", ["true"])
