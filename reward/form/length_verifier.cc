// One formula: 1 up to max - buffer, then a straight line down to 0 at max.
#include "reward/form/length_verifier.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "reward/text/code_points.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

absl::Status Refused(const std::string& field, int64_t found, const std::string& expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("length.", field, ": found ", found, ", expected ", expected));
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Verifier>> LengthVerifier::Create(
    const temper::v1::LengthOptions& options) {
  auto verifier = std::unique_ptr<LengthVerifier>(new LengthVerifier);
  if (options.unit() == "words") {
    verifier->unit_ = Unit::kWords;
    verifier->unit_name_ = "words";
  } else if (options.unit() == "characters") {
    verifier->unit_ = Unit::kCharacters;
    verifier->unit_name_ = "characters";
  } else if (!options.unit().empty() && options.unit() != "tokens") {
    return absl::InvalidArgumentError(absl::StrCat("length.unit: found ", Quoted(options.unit()),
                                                   ", expected tokens, words or characters"));
  }
  if (options.min() < 0) return Refused("min", options.min(), "0 or more");
  if (options.max() < 0) return Refused("max", options.max(), "0 or more");
  if (options.max() > 0 && options.max() < options.min()) {
    return Refused("max", options.max(), absl::StrCat("at least min, ", options.min()));
  }
  const bool tokens = verifier->unit_ == Unit::kTokens;
  if (options.max() == 0 && options.min() == 0 && !tokens) {
    return absl::InvalidArgumentError(
        "length: neither min nor max is set; expected at least one of them");
  }
  if (options.buffer() < 0) return Refused("buffer", options.buffer(), "0 or more");
  if (options.buffer() > 0 && options.max() == 0 && !tokens) {
    return Refused("buffer", options.buffer(), "a max beside it");
  }
  if (options.max() > 0 && options.buffer() > options.max()) {
    return Refused("buffer", options.buffer(), absl::StrCat("at most max, ", options.max()));
  }
  verifier->min_ = options.min();
  verifier->max_ = options.max();
  verifier->buffer_ = options.buffer();
  return verifier;
}

absl::StatusOr<Judgement> LengthVerifier::Judge(const Response& response) const {
  int64_t length = response.tokens;
  int64_t max = max_;
  if (unit_ == Unit::kTokens) {
    if (length <= 0 && !response.text.empty()) {
      return absl::FailedPreconditionError(
          "tokens: not known; verifier \"length\" counts tokens unless \"unit\" says otherwise");
    }
    if (max == 0) max = response.tokens_max;
  } else {
    const std::u32string points = Decoded(response.text);
    length =
        static_cast<int64_t>(unit_ == Unit::kWords ? SplitAtBlanks(points).size() : points.size());
  }
  if (response.truncated && response.tokens < response.tokens_max) {
    return Judgement{"masked", 1,
                     absl::StrCat("cut off by us after ", response.tokens, " of ",
                                  response.tokens_max, " tokens: not punished")};
  }
  const std::string said = absl::StrCat(length, " ", unit_name_);
  if (length < min_) {
    return Judgement{std::string(kNotEqual), 0, absl::StrCat(said, ", expected at least ", min_)};
  }
  if (max == 0) return Judgement{std::string(kEqual), 1, said};
  if (buffer_ == 0) {
    if (length <= max) return Judgement{std::string(kEqual), 1, said};
    return Judgement{std::string(kNotEqual), 0, absl::StrCat(said, ", expected at most ", max)};
  }
  const double score =
      std::clamp(static_cast<double>(max - length) / static_cast<double>(buffer_), 0.0, 1.0);
  if (score == 1) return Judgement{std::string(kEqual), 1, said};
  return Judgement{score == 0 ? std::string(kNotEqual) : "overlong", score,
                   absl::StrCat(said, ", within the last ", buffer_, " before ", max)};
}

}  // namespace temper::reward
