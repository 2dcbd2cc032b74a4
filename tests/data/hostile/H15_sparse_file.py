# expect: runtime_error
with open("/tmp/sparse", "wb") as file:
    file.truncate(1 << 40)
print("ok")
