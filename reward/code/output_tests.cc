// Compiles once, in the same jail; the expected outputs never enter it.
#include "reward/code/output_tests.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "reward/code/output_match.h"
#include "reward/verifier.h"

namespace temper::reward {
namespace {

std::vector<std::string> Strings(const std::vector<std::string_view>& views) {
  return {views.begin(), views.end()};
}

// What the program is run from: its text, or what the compiler made of it. A Grade when it does not
// compile: whatever stops a compiler is the program's doing.
absl::StatusOr<std::optional<Grade>> Prepare(const Bench& bench, const std::string& program,
                                             sandbox::JobFile* runnable) {
  const Language& language = bench.language;
  *runnable = {std::string(language.source), program, false};
  if (language.compile.empty()) return std::nullopt;
  sandbox::Job job;
  job.argv = Strings(language.compile);
  job.files = {*runnable};
  job.fetch = {std::string(language.artefact)};
  job.limits = bench.compile_limits;
  TEMPER_ASSIGN_OR_RETURN(sandbox::Outcome outcome, bench.sandbox.Run(job));
  if (!outcome.exec_error.empty()) return absl::InternalError(outcome.exec_error);
  Grade grade;
  if (const std::optional<Grade> fault = FaultOf(outcome, job.limits); fault.has_value()) {
    grade.Fail(kCompileError, absl::StrCat("the compiler was stopped: ", fault->reason));
    return grade;
  }
  if (outcome.exit_code != 0) {
    const size_t error = outcome.standard_error.find("error:");
    grade.Fail(kCompileError,
               error == std::string::npos
                   ? LastLine(outcome.standard_error)
                   : Quoted(std::string_view(outcome.standard_error)
                                .substr(error, outcome.standard_error.find('\n', error) - error)));
    return grade;
  }
  sandbox::FetchedFile& made = outcome.fetched.front();
  if (!made.problem.empty()) {
    grade.Fail(kCompileError, absl::StrCat("what the compiler made: ", made.problem));
    return grade;
  }
  *runnable = {made.path, std::move(made.content), true};
  return std::nullopt;
}

void JudgeOne(const TestSuite::OutputTest& test, const sandbox::Outcome& outcome,
              const sandbox::Limits& limits, int number, Grade& grade) {
  const std::string where = absl::StrCat("test ", number, ": ");
  if (const std::optional<Grade> fault = FaultOf(outcome, limits); fault.has_value()) {
    grade.Fail(fault->verdict, where + fault->reason);
  } else if (!outcome.exec_error.empty()) {
    grade.Fail(kRuntimeError, where + outcome.exec_error);
  } else if (outcome.signal != 0) {
    grade.Fail(kRuntimeError, absl::StrCat(where, "ended by signal ", outcome.signal));
  } else if (outcome.exit_code != 0) {
    grade.Fail(kRuntimeError, absl::StrCat(where, "exit code ", outcome.exit_code, ": ",
                                           LastLine(outcome.standard_error)));
  } else if (!SameOutput(test.output, outcome.standard_output)) {
    grade.Fail(kWrongAnswer, absl::StrCat(where, "printed ", Quoted(outcome.standard_output)));
  } else {
    ++grade.passed;
  }
}

// Python says only when it runs a program that it cannot be compiled.
absl::StatusOr<bool> IsPythonWithoutSyntax(const Bench& bench, const std::string& program) {
  if (bench.language.name != "python") return false;
  sandbox::Job job;
  job.argv = {"/usr/bin/python3",
              "-s",
              "-S",
              "-P",
              "-B",
              "-c",
              "compile(open('main.py', 'rb').read(), 'main.py', 'exec')"};
  job.files = {{"main.py", program, false}};
  job.limits = bench.compile_limits;
  TEMPER_ASSIGN_OR_RETURN(const sandbox::Outcome outcome, bench.sandbox.Run(job));
  return !outcome.Succeeded();
}

}  // namespace

absl::StatusOr<Grade> RunOutputTests(const Bench& bench, const TestSuite& suite,
                                     const std::string& program) {
  sandbox::JobFile runnable;
  TEMPER_ASSIGN_OR_RETURN(std::optional<Grade> refused, Prepare(bench, program, &runnable));
  Grade grade;
  if (refused.has_value()) grade = *std::move(refused);
  grade.total = static_cast<int>(suite.outputs.size());
  for (size_t i = 0; i < suite.outputs.size() && grade.verdict != kCompileError; ++i) {
    sandbox::Job job;
    job.argv = Strings(bench.language.run);
    job.files = {runnable};
    job.standard_input = suite.outputs[i].input;
    job.limits = bench.limits;
    TEMPER_ASSIGN_OR_RETURN(const sandbox::Outcome outcome, bench.sandbox.Run(job));
    // An interpreter that is not there is our fault; a program that is none is its own.
    if (!outcome.exec_error.empty() && bench.language.compile.empty()) {
      return absl::InternalError(outcome.exec_error);
    }
    JudgeOne(suite.outputs[i], outcome, job.limits, static_cast<int>(i) + 1, grade);
    if (i == 0 && grade.verdict == kRuntimeError) {
      TEMPER_ASSIGN_OR_RETURN(const bool no_syntax, IsPythonWithoutSyntax(bench, program));
      if (no_syntax) grade.verdict = kCompileError;
    }
    if (grade.failed() && !bench.partial) break;
  }
  return grade;
}

}  // namespace temper::reward
