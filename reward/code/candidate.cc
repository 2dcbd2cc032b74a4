// Holds the program to the protocol: loaded once, then one answer for each call.
#include "reward/code/candidate.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "reward/code/python_source.h"
#include "reward/verifier.h"

namespace temper::reward {
namespace {

// (stage, class, message, [bases]) as candidate.py sends it.
bool IsFailure(const Value& value) {
  return value.kind == Value::Kind::kTuple && value.items.size() == 4 &&
         value.items[0].kind == Value::Kind::kString &&
         value.items[1].kind == Value::Kind::kString &&
         value.items[2].kind == Value::Kind::kString && value.items[3].kind == Value::Kind::kList;
}

}  // namespace

Grade ExceptionGrade(const Value& failure) {
  const std::string& stage = failure.items[0].text;
  const auto is = [&](std::string_view name) {
    return std::ranges::any_of(failure.items[3].items,
                               [&](const Value& base) { return base.text == name; });
  };
  const std::string shown =
      absl::StrCat(stage == "call"   ? "raised "
                   : stage == "load" ? "raised on loading "
                                     : "",
                   Quoted(failure.items[1].text), " ", Quoted(failure.items[2].text));
  Grade grade;
  if (stage == "compile") {
    grade.Fail(kCompileError, shown);
  } else if (!is("Exception") || is("SkipTest")) {
    grade.Fail(kWrongAnswer, "left before it was tested: " + shown);  // SystemExit, SkipTest
  } else {
    grade.Fail(kRuntimeError, shown);
  }
  return grade;
}

absl::StatusOr<std::unique_ptr<Candidate>> Candidate::Start(const sandbox::Sandbox& sandbox,
                                                            const sandbox::Limits& limits,
                                                            const std::string& program) {
  sandbox::Job job;
  job.argv = {"/usr/bin/python3", "-s", "-S", "-P", "-B", "-c", std::string(CandidateSource())};
  job.files = {{"solution.py", program, false}};
  job.channel = true;
  job.limits = limits;
  std::unique_ptr<Candidate> candidate(new Candidate(limits));
  TEMPER_ASSIGN_OR_RETURN(candidate->process_, sandbox.Start(job));
  Candidate* const self = candidate.get();
  self->process_->on_channel = [self](std::string_view bytes) { self->Read(bytes); };
  self->process_->on_end = [self] {
    if (self->on_end) self->on_end();
  };
  return candidate;
}

void Candidate::Call(std::string request) {
  called_ = true;
  waiting_ = Frame('C', request);
  SendWaiting();
}

void Candidate::SendWaiting() {
  if (!loaded_ || waiting_.empty()) return;
  process_->Send(waiting_);
  waiting_.clear();
}

void Candidate::Quit() {
  quit_ = true;
  process_->Send(Frame('Q', ""));
}

void Candidate::Break(std::string_view verdict, std::string reason) {
  if (!broken_.has_value()) {
    broken_.emplace();
    broken_->Fail(verdict, std::move(reason));
  }
  process_->Stop();
}

void Candidate::Read(std::string_view bytes) {
  reader_.Feed(bytes);
  while (!broken_.has_value()) {
    absl::StatusOr<std::optional<Record>> record = reader_.Next();
    if (!record.ok()) {
      const bool large = absl::IsResourceExhausted(record.status());
      return Break(large ? kOutputLimit : kViolation,
                   absl::StrCat("its answers were forged: ", record.status().message()));
    }
    if (!record->has_value()) return;
    Take(**std::move(record));
  }
}

void Candidate::Take(Record record) {
  if (!loaded_ && record.kind == 'L') {
    loaded_ = true;
    const std::string nonce = FreshNonce();
    reader_.Expect(nonce);
    process_->Send(Frame('N', nonce));
    SendWaiting();
  } else if (!loaded_ && record.kind == 'F') {
    TakeLoadFailure(record);
  } else if (loaded_ && called_ && !quit_ && (record.kind == 'R' || record.kind == 'E')) {
    TakeReply(std::move(record));
  } else {
    Break(kViolation, "its answers were forged: one that nobody asked for");
  }
}

void Candidate::TakeLoadFailure(const Record& record) {
  const absl::StatusOr<Value> failure = ParseLiteral(record.payload);
  if (!failure.ok() || !IsFailure(*failure)) {
    return Break(kViolation, "its answers were forged: a failure that is none");
  }
  Grade grade = ExceptionGrade(*failure);
  Break(grade.verdict, std::move(grade.reason));
}

void Candidate::TakeReply(Record record) {
  called_ = false;
  Reply reply;
  reply.raised = record.kind == 'E';
  absl::StatusOr<Value> value = ParseLiteral(record.payload);
  if (!value.ok()) {
    return Break(kWrongAnswer, absl::StrCat("its result is too deep or no plain value: ",
                                            value.status().message()));
  }
  if (reply.raised && !IsFailure(*value)) {
    return Break(kViolation, "its answers were forged: a failure that is none");
  }
  reply.value = *std::move(value);
  reply.text = std::move(record.payload);
  if (on_reply) on_reply(reply);
}

absl::Status Candidate::Failure() const {
  TEMPER_RETURN_IF_ERROR(process_->status());
  const std::string& exec_error = process_->outcome().exec_error;
  return exec_error.empty() ? absl::OkStatus() : absl::InternalError(exec_error);
}

std::optional<Grade> Candidate::Fault() const {
  const sandbox::Outcome& outcome = process_->outcome();
  if (broken_.has_value() && broken_->verdict == kViolation) return broken_;
  if (std::optional<Grade> fault = FaultOf(outcome, limits_); fault.has_value()) return fault;
  if (broken_.has_value()) return broken_;
  if (outcome.stopped || !called_) return std::nullopt;
  Grade grade;
  if (outcome.signal != 0) {
    grade.Fail(kRuntimeError, absl::StrCat("ended by signal ", outcome.signal));
  } else if (outcome.exit_code != 0) {
    grade.Fail(kRuntimeError, absl::StrCat("exit code ", outcome.exit_code, " before it answered: ",
                                           LastLine(outcome.standard_error)));
  } else {
    grade.Fail(kWrongAnswer, "left before it answered");
  }
  return grade;
}

}  // namespace temper::reward
