// expect: time_limit
#include <unistd.h>
int main() {
  for (;;) fork();
}
