# expect: pass
import multiprocessing, threading, subprocess, tempfile, os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
def square(x):
    return x * x
if __name__ == "__main__":
    with multiprocessing.Pool(3) as pool:
        assert pool.map(square, range(5)) == [0, 1, 4, 9, 16]
    with ProcessPoolExecutor(2) as pool:
        assert list(pool.map(square, range(5))) == [0, 1, 4, 9, 16]
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(square, range(100))) == 328350
    queue = multiprocessing.Queue()
    queue.put(1)
    assert queue.get() == 1
    with tempfile.NamedTemporaryFile("w+") as file:
        file.write("x")
    print(subprocess.run(["sh", "-c", "echo ok | cat"], capture_output=True, text=True).stdout.strip())
