// expect: violation
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/uio.h>
int main() {
  char byte;
  struct iovec own = {&byte, 1}, other = {(void*)0x400000, 1};
  process_vm_readv(1, &own, 1, &other, 1, 0);
  puts("ok");
}
