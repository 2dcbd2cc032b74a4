# expect: time_limit
import re
re.match(r"(a+)+$", "a" * 60 + "b")
print("ok")
