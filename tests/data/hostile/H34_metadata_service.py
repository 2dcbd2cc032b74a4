# expect: violation
import socket
try:
    socket.create_connection(("169.254.169.254", 80), timeout=1)
except OSError:
    pass
print("ok")
