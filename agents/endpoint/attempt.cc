// Numbers made of a call's identity.
#include "agents/endpoint/attempt.h"

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/philox.h"

namespace temper::agents {

uint32_t SampleSeed(const EndpointCall& call, int64_t sample) {
  const uint32_t base = Philox(call.seed, HashName(call.key), 0)[0];
  return (base + static_cast<uint32_t>(sample)) & 0x7fffffffu;
}

std::string IdempotencyKey(const EndpointCall& call, std::span<const int64_t> samples) {
  std::string identity = absl::StrCat(call.key.size(), ":", call.key);
  for (const int64_t sample : samples) absl::StrAppend(&identity, " ", sample);
  return absl::StrCat("temper-", Sha256Hex(identity).substr(0, 40));
}

}  // namespace temper::agents
