// The verifiers by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "reward/verifier.h"

namespace temper::v1 {
class RubricPart;
}

namespace temper::reward {

// "answer", "code", "format".
const std::vector<std::string>& VerifierNames();

// INVALID_ARGUMENT for an unknown name (with the known ones), for settings that the verifier
// refuses and for settings that it would not read. Messages begin with the field's name.
absl::StatusOr<std::unique_ptr<const Verifier>> MakeVerifier(const temper::v1::RubricPart& part);

}  // namespace temper::reward
