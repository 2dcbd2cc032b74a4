// Were the right tools called with the right arguments?
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "reward/json/tool_call_reader.h"
#include "reward/verifier.h"

namespace temper::v1 {
class ToolCallOptions;
}

namespace temper::reward {

// Verifier "tool_call": 1 when the calls of the response, its thought aside, are those of the
// metadata ("tool_calls" or "expected_calls"; an empty list: none may be made), else 0, or the
// share that matches. Names are compared as text and arguments as JSON values: 1 is 1.0, the order
// of keys means nothing. One call too many is as wrong as one that is missing.
class ToolCallVerifier : public Verifier {
 public:
  static absl::StatusOr<std::unique_ptr<const Verifier>> Create(
      const temper::v1::ToolCallOptions& options);

  // INVALID_ARGUMENT without expected calls, or for some that cannot be read.
  absl::StatusOr<Judgement> Judge(const Response& response) const override;

 private:
  ToolCallVerifier() = default;

  ToolCallFormat format_ = ToolCallFormat::kAuto;
  bool in_order_ = false;
  bool fraction_ = false;
};

}  // namespace temper::reward
