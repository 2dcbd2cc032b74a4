// Outcomes in words.
#include "reward/code/grade.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "reward/verifier.h"

namespace temper::reward {

void Grade::Fail(std::string_view new_verdict, std::string new_reason) {
  if (failed() && (new_verdict != kViolation || verdict == kViolation)) return;
  verdict = new_verdict;
  reason = std::move(new_reason);
}

std::optional<Grade> FaultOf(const sandbox::Outcome& outcome, const sandbox::Limits& limits) {
  Grade grade;
  if (!outcome.violation.empty()) {
    grade.Fail(kViolation, absl::StrCat("forbidden system call: ", outcome.violation));
    return grade;
  }
  switch (outcome.limit) {
    case sandbox::Limit::kNone:
      return std::nullopt;
    case sandbox::Limit::kCpu:
      grade.Fail(kTimeLimit, absl::StrCat("over ", limits.cpu_seconds, " s of processor time"));
      break;
    case sandbox::Limit::kWall:
      grade.Fail(kTimeLimit, "did not end, though it hardly computed");
      break;
    case sandbox::Limit::kMemory:
      grade.Fail(kMemoryLimit, absl::StrCat("over ", limits.memory_bytes >> 20, " MiB of memory"));
      break;
    case sandbox::Limit::kOutput:
      grade.Fail(kOutputLimit, absl::StrCat("over ", limits.output_bytes >> 10, " KiB of output"));
      break;
  }
  return grade;
}

std::string LastLine(std::string_view standard_error) {
  while (standard_error.ends_with('\n')) standard_error.remove_suffix(1);
  const size_t begin = standard_error.rfind('\n');
  return Quoted(begin == standard_error.npos ? standard_error : standard_error.substr(begin + 1));
}

}  // namespace temper::reward
