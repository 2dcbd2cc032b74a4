# format: check
# expect: violation
import os, sys
def f(x):
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()):
            nonce = getattr(value, "nonce", None)
            if isinstance(nonce, bytes):
                body = nonce + b"V" + b"[('pass', '')]"
                os.write(3, len(body).to_bytes(4, "little") + body)
        frame = frame.f_back
    return 0
