// Two sandboxes and us between them: calls go one way, plain values the other.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "reward/code/call_tests.h"
#include "reward/code/candidate.h"
#include "reward/code/python_source.h"
#include "reward/verifier.h"

namespace temper::reward {
namespace {

std::string Boolean(bool yes) { return yes ? "True" : "False"; }

std::string Strings(const std::vector<std::string>& strings) {
  std::string list = "[";
  for (const std::string& text : strings) list += StringLiteral(text) + ", ";
  return list + "]";
}

// What judge.py reads first.
std::string JudgeSetup(const TestSuite& suite, bool partial, const std::string& nonce) {
  const bool check = suite.kind == TestSuite::Kind::kCheck;
  return absl::StrCat("{'nonce': ", StringLiteral(nonce), ", 'partial': ", Boolean(partial),
                      ", 'kind': ", check ? "'check'" : "'asserts'",
                      ", 'prompt': ", StringLiteral(suite.prompt),
                      ", 'test': ", StringLiteral(suite.check),
                      ", 'entry_point': ", StringLiteral(suite.function),
                      ", 'setup': ", StringLiteral(suite.setup),
                      ", 'asserts': ", Strings(suite.asserts), "}");
}

// Limits of the tests themselves. Values of the program may be large, so not less than its own.
sandbox::Limits JudgeLimits(const sandbox::Limits& program) {
  sandbox::Limits limits = program;
  limits.cpu_seconds = program.cpu_seconds + 5;
  limits.memory_bytes = program.memory_bytes + (256LL << 20);
  limits.output_bytes = 64LL << 20;
  return limits;
}

class PythonTests {
 public:
  PythonTests(const Bench& bench, const TestSuite& suite) : bench_(bench), suite_(suite) {}

  absl::StatusOr<Grade> Run(const std::string& program) {
    TEMPER_ASSIGN_OR_RETURN(candidate_, Candidate::Start(bench_.sandbox, bench_.limits, program));
    TEMPER_RETURN_IF_ERROR(StartJudge());
    candidate_->on_reply = [this](const Candidate::Reply& reply) {
      judge_->Send(Frame(reply.raised ? 'E' : 'R', reply.text));
    };
    candidate_->on_end = [this] {
      if (!verdict_.has_value()) judge_->Stop();
    };
    sandbox::Process* const driven[] = {candidate_->process(), judge_.get()};
    sandbox::Drive(driven);
    return Conclude();
  }

 private:
  absl::Status StartJudge() {
    sandbox::Job job;
    job.argv = {"/usr/bin/python3", "-s", "-S", "-P", "-B", "-c", std::string(JudgeSource())};
    job.channel = true;
    job.limits = JudgeLimits(bench_.limits);
    TEMPER_ASSIGN_OR_RETURN(judge_, bench_.sandbox.Start(job));
    judge_->on_channel = [this](std::string_view bytes) { Read(bytes); };
    judge_->on_end = [this] {
      if (!verdict_.has_value()) candidate_->process()->Stop();
    };
    const std::string nonce = FreshNonce();
    reader_.Expect(nonce);
    judge_->Send(Frame('S', JudgeSetup(suite_, bench_.partial, nonce)));
    return absl::OkStatus();
  }

  void Read(std::string_view bytes) {
    reader_.Feed(bytes);
    while (true) {
      absl::StatusOr<std::optional<Record>> record = reader_.Next();
      if (!record.ok()) {
        judge_failure_ = record.status();
        return judge_->Stop();
      }
      if (!record->has_value()) return;
      if ((*record)->kind == 'C') {
        candidate_->Call(std::move((*record)->payload));
      } else {
        verdict_ = std::move((*record)->payload);
        candidate_->Quit();
      }
    }
  }

  absl::StatusOr<Grade> Conclude() {
    TEMPER_RETURN_IF_ERROR(candidate_->process()->status());
    TEMPER_RETURN_IF_ERROR(judge_->status());
    TEMPER_RETURN_IF_ERROR(judge_failure_);
    Grade grade;
    grade.total =
        suite_.kind == TestSuite::Kind::kCheck ? 1 : static_cast<int>(suite_.asserts.size());
    if (std::optional<Grade> fault = candidate_->Fault(); fault.has_value()) {
      grade.Fail(fault->verdict, fault->reason);
      return grade;
    }
    if (verdict_.has_value()) return ReadVerdict(std::move(grade));
    // Only values of the program can have made the tests so dear.
    if (const std::optional<Grade> fault = FaultOf(judge_->outcome(), JudgeLimits(bench_.limits))) {
      grade.Fail(fault->verdict == kViolation ? kWrongAnswer : std::string_view(fault->verdict),
                 absl::StrCat("the tests, with what it returned: ", fault->reason));
      return grade;
    }
    return absl::InternalError(absl::StrCat("the tests ended without a verdict: ",
                                            LastLine(judge_->outcome().standard_error)));
  }

  absl::StatusOr<Grade> ReadVerdict(Grade grade) const {
    TEMPER_ASSIGN_OR_RETURN(const Value results, ParseLiteral(*verdict_));
    for (const Value& result : results.items) {
      if (result.items.size() != 2) return absl::InternalError("the judge's verdict is malformed");
      const std::string& verdict = result.items[0].text;
      if (verdict == "bad_tests") {
        return absl::InvalidArgumentError(
            absl::StrCat("tests: ", Quoted(result.items[1].text)));
      }
      if (verdict == kPass) {
        ++grade.passed;
      } else {
        grade.Fail(verdict, Quoted(result.items[1].text));
      }
    }
    if (!grade.failed() && grade.passed != grade.total) {
      return absl::InternalError(absl::StrCat("the judge gave ", grade.passed, " verdicts for ",
                                              grade.total, " tests"));
    }
    return grade;
  }

  const Bench& bench_;
  const TestSuite& suite_;
  std::unique_ptr<Candidate> candidate_;
  std::unique_ptr<sandbox::Process> judge_;
  RecordReader reader_;
  absl::Status judge_failure_;
  std::optional<std::string> verdict_;
};

}  // namespace

absl::StatusOr<Grade> RunPythonTests(const Bench& bench, const TestSuite& suite,
                                     const std::string& program) {
  return PythonTests(bench, suite).Run(program);
}

}  // namespace temper::reward
