# expect: runtime_error
for i in range(1000000):
    open("/tmp/%d" % i, "w").close()
print("ok")
