# expect: runtime_error time_limit
import threading, time
while True:
    threading.Thread(target=time.sleep, args=(1000,)).start()
