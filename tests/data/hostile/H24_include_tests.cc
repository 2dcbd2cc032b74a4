// expect: compile_error
#include "../tests/expected.txt"
int main() {}
