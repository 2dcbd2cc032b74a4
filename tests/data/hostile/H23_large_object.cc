// expect: compile_error
char filled[1 << 29] = {1};
int main() { return filled[5]; }
