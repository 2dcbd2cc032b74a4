# expect: wrong_answer
print("nan inf 1e999")
print(" " * (1 << 19))
print("ok", "not ok", "ok or ko")
