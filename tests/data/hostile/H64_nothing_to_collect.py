# format: calls
# expect: wrong_answer
class Tests:
    pass
