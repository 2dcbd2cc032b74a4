# format: check
# expect: wrong_answer
for name in ("json", "unittest", "random", "math", "re", "typing", "posix", "numpy"):
    with open("/tmp/" + name + ".py", "w") as file:
        file.write("raise SystemExit(0)\n")
def f(x):
    return 0
