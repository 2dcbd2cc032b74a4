// Makes the folder of a reward model out of a language model: its layers, and a fresh head.
//
// The folder is a Hugging Face ...ForSequenceClassification one of one label: `score.weight`
// [1, hidden] stands in the place of the language model's head.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "policy/model/config.h"

namespace temper::model {

// The same model with a reward head; of a reward model: itself. `place` names it in messages.
absl::StatusOr<ModelConfig> WithRewardHead(const ModelConfig& config, const std::string& place);

// Fresh weights for the config of `config_path`; tokenizer files beside it are carried along.
absl::Status InitializeRewardFolder(const std::string& config_path, uint64_t seed,
                                    const std::string& target);

// The weights of the language model in `source`, as float32, under a head drawn from `seed`. Reads
// slab by slab; nothing half-made is left behind.
absl::Status MakeRewardFolder(const std::string& source, uint64_t seed, const std::string& target);

}  // namespace temper::model
