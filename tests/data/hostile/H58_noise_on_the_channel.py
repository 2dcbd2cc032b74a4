# format: calls
# expect: violation
import os
os.write(3, b"All tests passed\n" * 10)
def f(x):
    return 2 * x
