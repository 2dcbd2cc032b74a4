# expect: violation runtime_error
import socket
socket.socket(40, socket.SOCK_STREAM)
print("ok")
