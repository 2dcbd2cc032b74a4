# expect: runtime_error memory_limit time_limit
import sys
sys.setrecursionlimit(10**9)
def down(n):
    return sorted([n], key=down)
down(1)
