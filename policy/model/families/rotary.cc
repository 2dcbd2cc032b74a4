// Rotary frequencies, in float64 and rounded once at the end, as they are used from then on.
#include <cmath>
#include <numbers>

#include "absl/strings/str_cat.h"
#include "policy/model/families/readers.h"

namespace temper::model {
namespace {

constexpr double kThetaMax = 1e12;
constexpr double kFactorMax = 1e6;
constexpr int64_t kPositionsMax = 1 << 30;

// Slow turns are slowed further, fast ones stay, those between are blended (Llama 3.1).
struct Llama3Scaling {
  double factor, low, high;
  int64_t original;

  double operator()(double frequency) const {
    const double wavelength = 2 * std::numbers::pi / frequency;
    if (wavelength < original / high) return frequency;
    if (wavelength > original / low) return frequency / factor;
    const double t = (original / wavelength - low) / (high - low);
    return frequency * ((1 - t) / factor + t);
  }
};

std::string TypeOf(const Json& scaling) {
  for (const char* name : {"rope_type", "type"}) {
    const auto at = scaling.find(name);
    if (at != scaling.end() && at->is_string()) return at->get<std::string>();
  }
  return "default";
}

// Applies `scaling` (an object) to every frequency.
void Scale(Fields& fields, const Json& scaling, std::string_view field,
           std::vector<double>& frequencies) {
  Fields inner(scaling, fields.place(), std::string(field) + ".");
  const std::string type = TypeOf(scaling);
  if (type == "linear") {
    const double factor = inner.Number({"factor"}, 1, kFactorMax);
    for (double& frequency : frequencies) frequency /= factor;
  } else if (type == "llama3") {
    const Llama3Scaling scale{
        .factor = inner.Number({"factor"}, 1, kFactorMax),
        .low = inner.Number({"low_freq_factor"}, 1e-3, kFactorMax),
        .high = inner.Number({"high_freq_factor"}, 1e-3, kFactorMax),
        .original = inner.Integer({"original_max_position_embeddings"}, 1, kPositionsMax)};
    if (scale.low >= scale.high) {
      inner.Refuse("low_freq_factor", absl::StrCat("found ", scale.low, ", expected less than ",
                                                   "high_freq_factor = ", scale.high));
    }
    for (double& frequency : frequencies) frequency = scale(frequency);
  } else if (type != "default") {
    inner.Refuse("rope_type", absl::StrCat("found \"", type,
                                           "\"; supported: default, linear, "
                                           "llama3"));
  }
  fields.Adopt(inner.status());
}

}  // namespace

std::vector<float> ReadInverseFrequency(Fields& fields, int64_t head_dim) {
  if (head_dim % 2 != 0) {
    fields.Refuse("head_dim", absl::StrCat("found ", head_dim,
                                           ", expected an even number: "
                                           "rotary positions turn pairs"));
    return {};
  }
  // Newer files hold theta and scaling together in rope_parameters.
  std::string field;
  const Json* scaling = fields.Find({"rope_parameters", "rope_scaling"}, &field);
  if (scaling != nullptr && !scaling->is_object()) {
    fields.Refuse(field, absl::StrCat("found ", Shown(*scaling), ", expected an object {...}"));
    return {};
  }
  double theta = fields.Number({"rope_theta"}, 1, kThetaMax, 10000.0);
  if (scaling != nullptr) {
    Fields inner(*scaling, fields.place(), absl::StrCat(field, "."));
    theta = inner.Number({"rope_theta"}, 1, kThetaMax, theta);
    if (inner.Number({"partial_rotary_factor"}, 0, 1, 1.0) != 1.0) {
      inner.Refuse("partial_rotary_factor", "only 1 is supported: every pair of a head turns");
    }
    fields.Adopt(inner.status());
  }
  if (fields.Number({"partial_rotary_factor"}, 0, 1, 1.0) != 1.0) {
    fields.Refuse("partial_rotary_factor", "only 1 is supported: every pair of a head turns");
  }
  std::vector<double> frequencies(head_dim / 2);
  for (int64_t j = 0; j < head_dim / 2; ++j) {
    frequencies[j] = std::pow(theta, -2.0 * static_cast<double>(j) / static_cast<double>(head_dim));
  }
  if (scaling != nullptr) Scale(fields, *scaling, field, frequencies);
  return {frequencies.begin(), frequencies.end()};
}

}  // namespace temper::model
