// What an algorithm's name stands for, and the formulas in words.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace temper::orchestrator {

// Names are the papers'. Every knob can be set alone in the spec.
struct ObjectivePreset {
  std::string_view algorithm;
  std::string_view advantage;
  std::string_view aggregation;
  double clip_low;
  double clip_high;
};

std::span<const ObjectivePreset> ObjectivePresets();
// Null when unknown.
const ObjectivePreset* FindPreset(std::string_view algorithm);

std::vector<std::string> AlgorithmNames();
std::vector<std::string> AdvantageNames();
std::vector<std::string> AggregationNames();

// The formula behind a name, e.g. "A = (R - mean) / (std + 1e-6), ...". The name must be known.
std::string_view AdvantageFormula(std::string_view advantage);
std::string_view AggregationFormula(std::string_view aggregation);

}  // namespace temper::orchestrator
