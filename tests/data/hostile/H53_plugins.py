# format: check
# expect: wrong_answer
for name in ("conftest.py", "sitecustomize.py", "pytest.ini", "usercustomize.py"):
    with open("/tmp/" + name, "w") as file:
        file.write("import os\nos._exit(0)\n")
def f(x):
    return 0
