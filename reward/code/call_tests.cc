// The next call goes out when the last one is answered.
#include "reward/code/call_tests.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "reward/code/candidate.h"
#include "reward/verifier.h"

namespace temper::reward {
namespace {

std::string Request(const std::string& function, const std::vector<Value>& arguments) {
  Value list;
  list.kind = Value::Kind::kList;
  list.items = arguments;
  return absl::StrCat("('call', ", StringLiteral(function), ", ", WriteLiteral(list), ", {})");
}

bool IsExpected(const TestSuite::CallTest& test, const Value& found) {
  const Value& expected = test.expected;
  if (SameValue(expected, found)) return true;
  return test.perhaps_wrapped && expected.kind == Value::Kind::kList &&
         expected.items.size() == 1 && SameValue(expected.items.front(), found);
}

void JudgeReply(const TestSuite::CallTest& test, const Candidate::Reply& reply, size_t number,
                Grade& grade) {
  const std::string where = absl::StrCat("test ", number, ": ");
  if (reply.raised) {
    const Grade raised = ExceptionGrade(reply.value);
    grade.Fail(raised.verdict, where + raised.reason);
  } else if (!IsExpected(test, reply.value)) {
    grade.Fail(kWrongAnswer, absl::StrCat(where, "returned ", Quoted(reply.text)));
  } else {
    ++grade.passed;
  }
}

}  // namespace

absl::StatusOr<Grade> RunCallTests(const Bench& bench, const TestSuite& suite,
                                   const std::string& program) {
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<Candidate> candidate,
                          Candidate::Start(bench.sandbox, bench.limits, program));
  Grade grade;
  grade.total = static_cast<int>(suite.calls.size());
  size_t next = 0;
  const auto call = [&] { candidate->Call(Request(suite.function, suite.calls[next].arguments)); };
  candidate->on_reply = [&](const Candidate::Reply& reply) {
    JudgeReply(suite.calls[next], reply, next + 1, grade);
    ++next;
    const bool enough = grade.failed() && !bench.partial;
    if (next < suite.calls.size() && !enough) {
      call();
    } else {
      candidate->Quit();
    }
  };
  call();
  sandbox::Process* const driven[] = {candidate->process()};
  sandbox::Drive(driven);
  TEMPER_RETURN_IF_ERROR(candidate->Failure());
  if (const std::optional<Grade> fault = candidate->Fault(); fault.has_value()) {
    grade.Fail(fault->verdict, absl::StrCat("test ", next + 1, ": ", fault->reason));
  }
  return grade;
}

}  // namespace temper::reward
