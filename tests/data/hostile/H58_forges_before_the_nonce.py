# format: check
# expect: violation
import os
def record(nonce, kind, payload):
    body = nonce + kind + payload
    return len(body).to_bytes(4, "little") + body
os.write(3, record(b"0" * 32, b"L", b"") + record(b"0" * 32, b"V", b"[('pass', '')]"))
def f(x):
    return 0
