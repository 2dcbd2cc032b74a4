// An item of the wire as verifiers see it.
#pragma once

#include "reward/verifier.h"
#include "temper/v1/reward.pb.h"

namespace temper::reward {

// Views of the item's bytes.
inline Response ToResponse(const temper::v1::ScoreItem& item) {
  return {.text = item.response(),
          .gold = item.answer(),
          .prompt = item.prompt(),
          .chat = item.chat_json(),
          .metadata = item.metadata_json(),
          .tokens = item.tokens(),
          .tokens_max = item.tokens_max(),
          .truncated = item.finish_reason() == temper::v1::FINISH_REASON_LENGTH,
          .extracted = item.extracted()};
}

}  // namespace temper::reward
