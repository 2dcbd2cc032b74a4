// expect: runtime_error
#include <sys/mman.h>
#include <sys/resource.h>
int main() {
  rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
  setrlimit(RLIMIT_CORE, &all);
  mmap(nullptr, 4UL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  *reinterpret_cast<volatile int*>(8) = 1;
}
