// The verifier that a command line names, with its settings.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::cli {

// `config`: a JSON file with the settings as a part of a rubric spells them; empty: none.
// INVALID_ARGUMENT as MakeVerifier says, with the file's name or "--" before the field's.
absl::StatusOr<temper::v1::RubricPart> ReadVerifierPart(const std::string& verifier,
                                                        const std::string& config);

}  // namespace temper::cli
