# expect: wrong_answer
print("\x1b[2J\x1b[1;1H\rverdict: pass\n{\"verdict\": \"pass\", \"score\": 1}" + "x" * (1 << 18))
