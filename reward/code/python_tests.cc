// Two sandboxes and us between them: calls go one way, plain values the other.
#include <sys/wait.h>

#include <csignal>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "reward/code/call_tests.h"
#include "reward/code/candidate.h"
#include "reward/code/judge.h"
#include "reward/verifier.h"

namespace temper::reward {
namespace {

std::string Boolean(bool yes) { return yes ? "True" : "False"; }

std::string Strings(const std::vector<std::string>& strings) {
  std::string list = "[";
  for (const std::string& text : strings) list += StringLiteral(text) + ", ";
  return list + "]";
}

constexpr absl::Duration kGiveUpMax = absl::Seconds(2);

// Seconds that the tests themselves may take: with values of the program, which may be large.
int JudgeSeconds(const sandbox::Limits& program) {
  return static_cast<int>(program.cpu_seconds) + 5;
}

// What judge.py reads first.
std::string JudgeSetup(const TestSuite& suite, const Bench& bench) {
  const bool check = suite.kind == TestSuite::Kind::kCheck;
  return absl::StrCat(
      "{'cpu_seconds': ", JudgeSeconds(bench.limits), ", 'partial': ", Boolean(bench.partial),
      ", 'kind': ", check ? "'check'" : "'asserts'", ", 'prompt': ", StringLiteral(suite.prompt),
      ", 'test': ", StringLiteral(suite.check), ", 'entry_point': ", StringLiteral(suite.function),
      ", 'setup': ", StringLiteral(suite.setup), ", 'asserts': ", Strings(suite.asserts), "}");
}

class PythonTests {
 public:
  PythonTests(const Bench& bench, const TestSuite& suite) : bench_(bench), suite_(suite) {}

  absl::StatusOr<Grade> Run(const std::string& program) {
    TEMPER_ASSIGN_OR_RETURN(judge_, bench_.judges.Take(bench_.sandbox, bench_.limits));
    TEMPER_ASSIGN_OR_RETURN(candidate_, Candidate::Start(bench_.sandbox, bench_.limits, program));
    Connect();
    judge_->Begin(JudgeSetup(suite_, bench_));
    sandbox::Process* const driven[] = {candidate_->process(), judge_->process()};
    sandbox::Drive(driven, [this] { return Over(); });
    absl::StatusOr<Grade> grade = Conclude();
    bench_.judges.GiveBack(std::move(judge_));
    return grade;
  }

 private:
  void Connect() {
    judge_->on_call = [this](std::string request) { candidate_->Call(std::move(request)); };
    judge_->on_verdict = [this](std::string results) {
      results_ = std::move(results);
      candidate_->Quit();
    };
    judge_->process()->on_end = [this] {
      if (!results_.has_value()) candidate_->process()->Stop();
    };
    candidate_->on_reply = [this](const Candidate::Reply& reply) {
      judge_->Answer(reply.raised, reply.text);
    };
    candidate_->on_end = [this] {
      if (!results_.has_value()) judge_->GiveUp();
    };
  }

  // Tests that neither end nor ask are not waited for.
  bool Over() {
    if (!candidate_->process()->finished()) return false;
    if (judge_->done()) return true;
    if (given_up_ == absl::Time()) given_up_ = absl::Now();
    if (absl::Now() - given_up_ > kGiveUpMax) judge_->process()->Stop();
    return false;
  }

  absl::StatusOr<Grade> Conclude() {
    judge_->process()->on_end = nullptr;
    TEMPER_RETURN_IF_ERROR(candidate_->Failure());
    TEMPER_RETURN_IF_ERROR(judge_->failure());
    if (judge_->process()->finished()) TEMPER_RETURN_IF_ERROR(judge_->process()->status());
    Grade grade;
    grade.total =
        suite_.kind == TestSuite::Kind::kCheck ? 1 : static_cast<int>(suite_.asserts.size());
    if (std::optional<Grade> fault = candidate_->Fault(); fault.has_value()) {
      grade.Fail(fault->verdict, fault->reason);
      return grade;
    }
    if (results_.has_value()) return ReadResults(std::move(grade));
    return WithoutResults(std::move(grade));
  }

  // Only values of the program can have made the tests so dear.
  absl::StatusOr<Grade> WithoutResults(Grade grade) const {
    constexpr std::string_view kWhat = "the tests, with what the program returned, took too ";
    const bool ended = judge_->process()->finished();
    if (ended && judge_->process()->outcome().limit == sandbox::Limit::kMemory) {
      grade.Fail(kMemoryLimit, absl::StrCat(std::string(kWhat), "much memory"));
      return grade;
    }
    const int status = ended ? 0 : judge_->child_status();
    if ((ended && judge_->process()->outcome().stopped) ||
        (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL))) {
      grade.Fail(kTimeLimit, absl::StrCat(std::string(kWhat), "long"));
      return grade;
    }
    return absl::InternalError(absl::StrCat("the tests ended without a verdict, status ", status));
  }

  absl::StatusOr<Grade> ReadResults(Grade grade) const {
    TEMPER_ASSIGN_OR_RETURN(const Value results, ParseLiteral(*results_));
    for (const Value& result : results.items) {
      if (result.items.size() != 2) return absl::InternalError("the judge's verdict is malformed");
      const std::string& verdict = result.items[0].text;
      if (verdict == "bad_tests") {
        return absl::InvalidArgumentError(absl::StrCat("tests: ", Quoted(result.items[1].text)));
      }
      if (verdict == kPass) {
        ++grade.passed;
      } else {
        grade.Fail(verdict, Quoted(result.items[1].text));
      }
    }
    if (!grade.failed() && grade.passed != grade.total) {
      return absl::InternalError(
          absl::StrCat("the judge gave ", grade.passed, " verdicts for ", grade.total, " tests"));
    }
    return grade;
  }

  const Bench& bench_;
  const TestSuite& suite_;
  std::unique_ptr<Judge> judge_;
  std::unique_ptr<Candidate> candidate_;
  std::optional<std::string> results_;
  absl::Time given_up_;
};

}  // namespace

absl::StatusOr<Grade> RunPythonTests(const Bench& bench, const TestSuite& suite,
                                     const std::string& program) {
  return PythonTests(bench, suite).Run(program);
}

}  // namespace temper::reward
