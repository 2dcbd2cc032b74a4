// expect: runtime_error compile_error
#include <cstdio>
extern const char interpreter[] __attribute__((section(".interp"))) = "/nowhere/ld.so";
int main() { std::puts("ok"); }
