// One line for each field and its bounds.
#include "policy/learner/train_options.h"

#include <cmath>
#include <limits>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace temper::learner {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

absl::Status Refuse(std::string_view field, double found, std::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat("options.", std::string(field), ": found ", found,
                                                 ", expected ", std::string(expected)));
}

absl::Status AtLeastZero(std::string_view field, double value) {
  if (value >= 0 && value < kInfinity) return absl::OkStatus();
  return Refuse(field, value, "a finite number, 0 or more");
}

absl::Status AboveZero(std::string_view field, double value) {
  if (value > 0 && value < kInfinity) return absl::OkStatus();
  return Refuse(field, value, "a finite number above 0");
}

absl::Status Share(std::string_view field, double value) {
  if (value >= 0 && value < 1) return absl::OkStatus();
  return Refuse(field, value, "0 or more and less than 1");
}

absl::StatusOr<PassOptions> Shape(const temper::v1::TrainOptions& options,
                                  std::span<const Sequence> sequences) {
  TEMPER_RETURN_IF_ERROR(AboveZero("tokens_per_micro_batch", options.tokens_per_micro_batch()));
  if (sequences.empty()) {
    return absl::InvalidArgumentError("batch: holds nothing, expected at least one sequence");
  }
  PassOptions pass;
  pass.tokens_per_micro_batch = options.tokens_per_micro_batch();
  pass.normaliser.sequences = static_cast<int64_t>(sequences.size());
  for (const Sequence& sequence : sequences) pass.normaliser.tokens += sequence.loss_tokens();
  return pass;
}

}  // namespace

absl::StatusOr<AdamW> AdamWOptions(const temper::v1::TrainOptions& options) {
  TEMPER_RETURN_IF_ERROR(AtLeastZero("learning_rate", options.learning_rate()));
  TEMPER_RETURN_IF_ERROR(Share("beta1", options.beta1()));
  TEMPER_RETURN_IF_ERROR(Share("beta2", options.beta2()));
  TEMPER_RETURN_IF_ERROR(AboveZero("epsilon", options.epsilon()));
  TEMPER_RETURN_IF_ERROR(AtLeastZero("weight_decay", options.weight_decay()));
  TEMPER_RETURN_IF_ERROR(AtLeastZero("clip_norm", options.clip_norm()));
  TEMPER_RETURN_IF_ERROR(AtLeastZero("balance_rate", options.balance_rate()));
  return AdamW{.learning_rate = options.learning_rate(),
               .beta1 = options.beta1(),
               .beta2 = options.beta2(),
               .epsilon = options.epsilon(),
               .weight_decay = options.weight_decay(),
               .clip_norm = options.clip_norm(),
               .train_router = options.train_router()};
}

absl::StatusOr<PassOptions> PolicyPass(const temper::v1::TrainOptions& options,
                                       std::span<const Sequence> sequences) {
  TEMPER_ASSIGN_OR_RETURN(PassOptions pass, Shape(options, sequences));
  TEMPER_RETURN_IF_ERROR(AboveZero("temperature", options.temperature()));
  TEMPER_RETURN_IF_ERROR(AtLeastZero("kl", options.kl()));
  // Infinity is a way to say "no clipping".
  if (!(options.clip_low() >= 0)) return Refuse("clip_low", options.clip_low(), "0 or more");
  if (!(options.clip_high() >= 0)) return Refuse("clip_high", options.clip_high(), "0 or more");
  TEMPER_ASSIGN_OR_RETURN(pass.normaliser.aggregation, ParseAggregation(options.aggregation()));
  if (pass.normaliser.aggregation == Aggregation::kTokenSumConstant) {
    TEMPER_RETURN_IF_ERROR(AboveZero("max_tokens", options.max_tokens()));
  }
  pass.normaliser.tokens_max = options.max_tokens();
  pass.objective = {
      .clip_low = options.clip_low(), .clip_high = options.clip_high(), .kl = options.kl()};
  pass.temperature = static_cast<float>(options.temperature());
  pass.stop_on_mismatch = options.stop_on_mismatch();
  return pass;
}

absl::StatusOr<PassOptions> SupervisedPass(const temper::v1::TrainOptions& options,
                                           std::span<const Sequence> sequences) {
  TEMPER_ASSIGN_OR_RETURN(PassOptions pass, Shape(options, sequences));
  pass.supervised = true;
  pass.normaliser.aggregation = Aggregation::kTokenMean;
  return pass;
}

absl::Status CheckPreferenceOptions(const temper::v1::TrainOptions& options) {
  return AboveZero("tokens_per_micro_batch", options.tokens_per_micro_batch());
}

}  // namespace temper::learner
