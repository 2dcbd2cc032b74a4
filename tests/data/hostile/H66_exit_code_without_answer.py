# expect: wrong_answer
import os, sys
sys.excepthook = lambda *args: os._exit(0)
raise ValueError
