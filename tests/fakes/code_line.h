// Judges a line as `temper verify` reads it: the program under "code", all other keys as metadata.
#pragma once

#include <string>

#include "nlohmann/json.hpp"
#include "reward/verifier.h"

namespace temper::reward {

inline absl::StatusOr<Judgement> JudgeCodeLine(const Verifier& verifier, nlohmann::json line) {
  const std::string code = line.at("code").get<std::string>();
  line.erase("code");
  const std::string metadata = line.dump();
  return verifier.Judge({.text = code, .metadata = metadata, .extracted = true});
}

}  // namespace temper::reward
