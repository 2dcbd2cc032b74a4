# expect: wrong_answer
import os
for folder, _, names in os.walk("/tmp"):
    for name in names:
        try:
            os.chmod(os.path.join(folder, name), 0o777)
            os.remove(os.path.join(folder, name))
        except OSError:
            pass
os.environ["TEMPER_TIME_LIMIT"] = "1000"
print("ko")
