// What a program earned, and what it is graded with.
#pragma once

#include <optional>
#include <string>

#include "reward/code/judge.h"
#include "reward/code/program.h"
#include "reward/sandbox/sandbox.h"

namespace temper::reward {

// Verdicts of verifier "code".
inline constexpr std::string_view kPass = "pass";
inline constexpr std::string_view kWrongAnswer = "wrong_answer";
inline constexpr std::string_view kRuntimeError = "runtime_error";
inline constexpr std::string_view kTimeLimit = "time_limit";
inline constexpr std::string_view kMemoryLimit = "memory_limit";
inline constexpr std::string_view kOutputLimit = "output_limit";
inline constexpr std::string_view kCompileError = "compile_error";
inline constexpr std::string_view kViolation = "violation";

struct Grade {
  std::string verdict{kPass};  // of the first test that failed
  std::string reason;
  int passed = 0;
  int total = 0;

  bool failed() const { return verdict != kPass; }
  // Only the first failure counts, but a violation counts more than any.
  void Fail(std::string_view verdict, std::string reason);
};

// Borrowed for one judgement.
struct Bench {
  const sandbox::Sandbox& sandbox;
  JudgePool& judges;
  const Language& language;
  sandbox::Limits limits;          // of the program, for each run of it
  sandbox::Limits compile_limits;  // of the compiler
  bool partial = false;            // every test is run, also after one has failed
};

// The verdict of a run that a limit or a forbidden call ended; nothing when neither did.
std::optional<Grade> FaultOf(const sandbox::Outcome& outcome, const sandbox::Limits& limits);

// The last line that a program left on stderr, for a reason.
std::string LastLine(std::string_view standard_error);

}  // namespace temper::reward
