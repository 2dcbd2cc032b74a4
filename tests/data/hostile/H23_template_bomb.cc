// expect: compile_error
template <int N, int M> struct A { static constexpr long value = A<N - 1, M + 1>::value + A<N - 1, M - 1>::value; };
template <int M> struct A<0, M> { static constexpr long value = M; };
int main() { return A<800, 0>::value; }
