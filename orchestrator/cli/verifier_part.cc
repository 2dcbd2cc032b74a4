// Reads settings, and makes the verifier once to see that it takes them.
#include "orchestrator/cli/verifier_part.h"

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/json_config.h"
#include "base/status_macros.h"
#include "reward/registry.h"

namespace temper::cli {

absl::StatusOr<temper::v1::RubricPart> ReadVerifierPart(const std::string& verifier,
                                                        const std::string& config) {
  temper::v1::RubricPart part;
  if (!config.empty()) {
    TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(config));
    TEMPER_RETURN_IF_ERROR(ParseJsonConfig(text, config, part));
  }
  part.set_verifier(verifier);
  const absl::Status made = reward::MakeVerifier(part).status();
  if (made.ok()) return part;
  const std::string place = config.empty() ? "--" : absl::StrCat(config, ": ");
  return absl::InvalidArgumentError(absl::StrCat(place, std::string(made.message())));
}

}  // namespace temper::cli
