# format: check
# expect: wrong_answer
import threading, sys
answers = {}
def worker():
    while True:
        for frame in sys._current_frames().values():
            if "x" in frame.f_locals:
                answers[0] = frame.f_locals["x"]
threading.Thread(target=worker, daemon=True).start()
def f(x):
    return answers.get(0, 0) * 0
