# format: check
# expect: wrong_answer
import gc
def f(x):
    for thing in gc.get_objects():
        if isinstance(thing, dict) and ("expected" in thing or "test" in thing and "entry_point" in thing):
            return thing.get("expected")
        if isinstance(thing, str) and "assert candidate" in thing:
            return thing
    return 0
