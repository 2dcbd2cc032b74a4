// The assembler copies the files in; CMake says where they are.
#include "reward/code/python_source.h"

asm(R"(
  .section .rodata
temper_candidate_begin:
  .incbin ")" TEMPER_PYTHON_FOLDER R"(/candidate.py"
temper_candidate_end:
temper_judge_begin:
  .incbin ")" TEMPER_PYTHON_FOLDER R"(/judge.py"
temper_judge_end:
  .previous
)");

extern "C" {
[[gnu::visibility("hidden")]] extern const char temper_candidate_begin[];
[[gnu::visibility("hidden")]] extern const char temper_candidate_end[];
[[gnu::visibility("hidden")]] extern const char temper_judge_begin[];
[[gnu::visibility("hidden")]] extern const char temper_judge_end[];
}

namespace temper::reward {

std::string_view CandidateSource() {
  return {temper_candidate_begin,
          static_cast<size_t>(temper_candidate_end - temper_candidate_begin)};
}

std::string_view JudgeSource() {
  return {temper_judge_begin, static_cast<size_t>(temper_judge_end - temper_judge_begin)};
}

}  // namespace temper::reward
