# expect: time_limit
import time
time.time = time.perf_counter = time.monotonic = time.process_time = lambda: 0.0
while True:
    time.time()
