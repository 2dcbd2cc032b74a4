// Rows of a ledger as messages: what its readers share.
#pragma once

#include "absl/status/status.h"
#include "base/database.h"
#include "temper/v1/episode.pb.h"

namespace temper::orchestrator {

// Columns: prompt_tokens, tokens, logprobs, versions, forced, text, checksum. group_id and sample
// are set already. DATA_LOSS when the checksum differs.
absl::Status UnpackEpisode(const Database::Rows& rows, v1::Episode& episode);

}  // namespace temper::orchestrator
