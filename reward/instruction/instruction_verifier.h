// Does the response follow the instructions that came with the prompt?
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "reward/verifier.h"

namespace temper::v1 {
class InstructionOptions;
}

namespace temper::reward {

// Verifier "instruction": the metadata holds "instruction_id_list" and "kwargs" as IFEval and
// IFBench publish them. 1 when every instruction is followed, else 0, or the share that is. A
// response that is blank without its thought follows none. Details:
// {"mode": "strict", "followed": [true, false]}, in the order of the list.
class InstructionVerifier : public Verifier {
 public:
  static absl::StatusOr<std::unique_ptr<const Verifier>> Create(
      const temper::v1::InstructionOptions& options);

  // INVALID_ARGUMENT for lists that are missing or do not fit, unknown ids, and wrong arguments.
  absl::StatusOr<Judgement> Judge(const Response& response) const override;

 private:
  InstructionVerifier(bool loose, bool fraction) : loose_(loose), fraction_(fraction) {}

  const bool loose_;
  const bool fraction_;
};

// The eight readings of the loose mode: as it is, and without the first line, the last one, both;
// each also without asterisks. Blank ones are left out. Strict: the first of them.
std::vector<std::u32string> Readings(std::u32string_view response, bool loose);

}  // namespace temper::reward
