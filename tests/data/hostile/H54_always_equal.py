# format: check
# expect: wrong_answer
class Equal(int):
    def __eq__(self, other):
        return True
    def __ne__(self, other):
        return False
    def __hash__(self):
        return 2
def f(x):
    return Equal(0)
