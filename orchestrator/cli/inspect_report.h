// What `temper inspect` says of a model, as one JSON document and as text.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "policy/model/config.h"
#include "policy/model/memory_plan.h"

namespace temper::cli {

struct Inspected {
  std::string path;
  model::ModelConfig config;
  int64_t tokens = -1;                    // of the tokenizer; -1: none
  std::map<std::string, int64_t> dtypes;  // numbers on disk; empty: there are no weights
};

// The question of --plan.
struct PlanQuestion {
  std::string text;  // as typed, e.g. "8x80"
  model::Accelerators accelerators;
  model::WeightDtype dtype;
  int64_t tokens = 0;  // of every sequence
};

nlohmann::ordered_json Describe(const Inspected& inspected,
                                const std::optional<PlanQuestion>& question);

// Lines of a name and a value.
std::string DescriptionText(const nlohmann::ordered_json& description);

}  // namespace temper::cli
