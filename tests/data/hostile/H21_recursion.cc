// expect: runtime_error
#include <cstdio>
volatile int depth;
int Down(int n) { return Down(n + 1) + ++depth; }
int main() { std::printf("%d\n", Down(0)); }
