# expect: runtime_error memory_limit
with open("/tmp/large", "wb") as file:
    for i in range(10000):
        file.write(b"x" * (1 << 20))
print("ok")
