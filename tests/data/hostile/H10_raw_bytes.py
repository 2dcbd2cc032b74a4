# expect: wrong_answer
import sys
sys.stdout.buffer.write(b"ok\0\xff\xfe")
