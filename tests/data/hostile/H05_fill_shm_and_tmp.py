# expect: runtime_error memory_limit
for folder in ("/dev/shm", "/tmp"):
    with open(folder + "/full", "wb") as file:
        while True:
            file.write(b"x" * (1 << 20))
