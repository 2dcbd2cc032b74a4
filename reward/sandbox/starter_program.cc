// The assembler copies the file in; CMake says where it is.
#include "reward/sandbox/starter_program.h"

asm(R"(
  .section .rodata
  .balign 16
temper_starter_begin:
  .incbin ")" TEMPER_STARTER_FILE R"("
temper_starter_end:
  .previous
)");

extern "C" {
[[gnu::visibility("hidden")]] extern const char temper_starter_begin[];
[[gnu::visibility("hidden")]] extern const char temper_starter_end[];
}

namespace temper::sandbox {

std::string_view StarterProgram() {
  return {temper_starter_begin, static_cast<size_t>(temper_starter_end - temper_starter_begin)};
}

}  // namespace temper::sandbox
