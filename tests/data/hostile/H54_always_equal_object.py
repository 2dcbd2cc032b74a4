# format: check
# expect: wrong_answer
class Equal:
    def __eq__(self, other):
        return True
def f(x):
    return Equal()
