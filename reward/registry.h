// The verifiers by name.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "reward/verifier.h"

namespace temper::v1 {
class RubricPart;
}

namespace temper::reward {

// Where a verifier spends its time, and so what bounds how many run at once.
enum class Lane {
  kCompute,  // on one core, microseconds to milliseconds
  kSandbox,  // waits for programs that it runs in the sandbox
  kRemote,   // waits for another service; nothing of the response runs here
};

struct VerifierKind {
  // Raised whenever a judgement may come out otherwise than before: part of the key of every cache.
  int version = 1;
  Lane lane = Lane::kCompute;
  bool needs_gold = false;    // a problem without an "answer" cannot be judged
  bool final_answer = false;  // reads RubricPart.extract and .marker
};

// All of them, in the order of the table.
const std::vector<std::string>& VerifierNames();

// What a known verifier asks of a response, in a line.
std::string_view PurposeOf(const std::string& verifier);

// INVALID_ARGUMENT for an unknown name, with the known ones.
absl::StatusOr<VerifierKind> KindOf(const std::string& verifier);

// INVALID_ARGUMENT for an unknown name, for settings that the verifier refuses and for settings of
// another verifier. Messages begin with the field's name.
absl::StatusOr<std::unique_ptr<const Verifier>> MakeVerifier(const temper::v1::RubricPart& part);

}  // namespace temper::reward
