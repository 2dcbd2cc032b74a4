# expect: violation
import socket
socket.create_connection(("127.0.0.1", 50051), timeout=1)
print("ok")
