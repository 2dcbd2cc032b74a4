# expect: pass
import bisect, collections, csv, datetime, decimal, fractions, hashlib, heapq, io, itertools, json, logging, math
import random, re, socket, sqlite3, ssl, statistics, string, struct, sys, textwrap, time, typing, unicodedata, uuid, zlib, zoneinfo
assert sqlite3.connect(":memory:").execute("select 1 + 1").fetchone() == (2,)
assert len(uuid.uuid4().hex) == 32
a, b = socket.socketpair()
a.sendall(b"x")
assert b.recv(1) == b"x"
import os, pathlib, shutil, getpass
os.path.expanduser("~")
pathlib.Path("/tmp/a/b").mkdir(parents=True)
shutil.rmtree("/tmp/a")
os.makedirs("x", exist_ok=True)
time.sleep(0.01)
random.seed(1)
logging.getLogger().warning("quiet")
sys.setrecursionlimit(100000)
def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)
assert depth(50000) == 50000
print("ok")
