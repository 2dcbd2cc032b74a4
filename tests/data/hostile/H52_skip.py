# format: check
# expect: wrong_answer
import unittest
raise unittest.SkipTest("not today")
