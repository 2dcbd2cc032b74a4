// Pages of samples for people: what was asked, what was answered, how it was judged.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/ledger.h"
#include "temper/v1/controller.pb.h"

namespace temper::orchestrator {

// The bytes of each token; as many as were given. Null: `text` stays empty.
using TokenTexts = std::function<std::vector<std::string>(const std::vector<int32_t>&)>;

// In the order in which they were issued. A page ends at the limit, at 3 MB, or when many samples
// were looked at and few were wanted: it may be short, even empty, while there are more.
// INVALID_ARGUMENT: the field is named; a page token of other filters. DATA_LOSS: see ledger.h.
absl::StatusOr<v1::GetSamplesResponse> ReadSamples(Ledger& ledger,
                                                   const v1::GetSamplesRequest& request,
                                                   int64_t warm_start_steps,
                                                   const TokenTexts& texts);

}  // namespace temper::orchestrator
