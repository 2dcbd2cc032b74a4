// Verifier "code": a program is right when it passes the problem's tests.
#pragma once

#include <memory>

#include "base/mutex.h"
#include "reward/code/grade.h"
#include "reward/code/judge.h"
#include "reward/verifier.h"

namespace temper::v1 {
class CodeOptions;
}

namespace temper::reward {

// Score 1 for "pass", else 0; with `partial` the share of tests that pass, 0 after a violation.
//
// Response.metadata holds the tests (test_suite.h), and may hold "language". A response that is
// `extracted` is the program itself. details: {"passed": ..., "total": ...}.
class CodeVerifier : public Verifier {
 public:
  // INVALID_ARGUMENT for settings out of range. Needs no sandbox yet.
  static absl::StatusOr<std::unique_ptr<const CodeVerifier>> Create(
      const temper::v1::CodeOptions& options);

  // INVALID_ARGUMENT for tests that cannot be used; FAILED_PRECONDITION when this machine gives no
  // sandbox; anything else is a failure of ours.
  absl::StatusOr<Judgement> Judge(const Response& response) const override;

  // Opens the sandbox, which Judge would do otherwise, and says what it isolates.
  absl::StatusOr<std::string> DescribeIsolation() const;

 private:
  struct Settings {
    const Language* language = nullptr;
    sandbox::Limits limits;
    sandbox::Limits compile_limits;
    bool partial = false;
    sandbox::Sandbox::Options sandbox;
  };

  explicit CodeVerifier(Settings settings) : settings_(std::move(settings)) {}
  absl::StatusOr<const sandbox::Sandbox*> OpenSandbox() const;

  const Settings settings_;
  mutable Mutex mutex_;
  // Opened by the process that judges, for a sandbox is no good after a fork.
  mutable std::unique_ptr<sandbox::Sandbox> sandbox_ ABSL_GUARDED_BY(mutex_);
  mutable JudgePool judges_;  // after the sandbox in which they live
};

}  // namespace temper::reward
