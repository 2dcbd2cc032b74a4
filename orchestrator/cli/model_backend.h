// A model folder behind an OpenAI-compatible server.
//
// All requests share one engine, which batches whatever runs. What an answer is depends on the
// weights, its prompt, its seed and its number among the samples alone: not on what else runs, nor
// on whether it is streamed. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/openai_server/chat_backend.h"
#include "orchestrator/cli/served_prompts.h"
#include "policy/model/tokenizer/tokenizer.h"
#include "rollout/engine_loop.h"

namespace temper::cli {

class ModelBackend final : public ChatBackend {
 public:
  // Everything borrowed outlives it. The loop serves version 0 of the prompts' folder.
  ModelBackend(ServedModel model, const ServedPrompts& prompts, const model::Tokenizer& tokenizer,
               rollout::EngineLoop& loop);

  std::vector<ServedModel> Models() override { return {model_}; }
  absl::StatusOr<ServedUsage> Serve(const ServedRequest& request, ServedSink& sink,
                                    const CallEnd& end) override;

 private:
  const ServedModel model_;
  const ServedPrompts& prompts_;
  const model::Tokenizer& tokenizer_;
  rollout::EngineLoop& loop_;
};

}  // namespace temper::cli
