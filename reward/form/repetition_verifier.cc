// Numbers the windows of 1, 2, 4, ... words; an n-gram is two such windows that overlap.
#include "reward/form/repetition_verifier.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "reward/text/code_points.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

constexpr int kGramMax = 1000;
constexpr int kGramDefault = 4;
constexpr double kFreeShareDefault = 0.1;

// Han, kana, Thai, Lao, Khmer and Myanmar put no blanks between words.
bool IsWordByItself(char32_t c) {
  return (c >= 0x0E00 && c <= 0x0EFF) || (c >= 0x1000 && c <= 0x109F) ||
         (c >= 0x1780 && c <= 0x17FF) || (c >= 0x3040 && c <= 0x30FF) ||
         (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x3FFFF);
}

// The words of the text, equal words by equal numbers.
std::vector<uint32_t> NumberedWords(std::u32string_view text) {
  absl::flat_hash_map<std::u32string, uint32_t> numbers;
  std::vector<uint32_t> words;
  const auto add = [&](std::u32string_view word) {
    if (word.empty()) return;
    words.push_back(numbers.try_emplace(std::u32string(word), static_cast<uint32_t>(numbers.size()))
                        .first->second);
  };
  for (const std::u32string_view run : SplitAtBlanks(text)) {
    std::u32string_view rest = StrippedOf(run, kPunctuation);
    if (rest.empty()) rest = run;  // "---" repeated is repetition
    size_t begin = 0;
    for (size_t i = 0; i < rest.size(); ++i) {
      if (!IsWordByItself(rest[i])) continue;
      add(rest.substr(begin, i - begin));
      add(rest.substr(i, 1));
      begin = i + 1;
    }
    add(rest.substr(begin));
  }
  return words;
}

// Replaces windows by windows that reach `step` further; the last `step` of them fall away.
uint32_t Joined(std::vector<uint32_t>& windows, size_t step) {
  absl::flat_hash_map<uint64_t, uint32_t> numbers;
  const size_t kept = windows.size() - step;
  for (size_t i = 0; i < kept; ++i) {
    const uint64_t pair = static_cast<uint64_t>(windows[i]) << 32 | windows[i + step];
    windows[i] = numbers.try_emplace(pair, static_cast<uint32_t>(numbers.size())).first->second;
  }
  windows.resize(kept);
  return static_cast<uint32_t>(numbers.size());
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Verifier>> RepetitionVerifier::Create(
    const temper::v1::RepetitionOptions& options) {
  const int n = options.has_n() ? options.n() : kGramDefault;
  if (n < 1 || n > kGramMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("repetition.n: found ", n, ", expected 1 to ", kGramMax));
  }
  const double free_share = options.has_free_share() ? options.free_share() : kFreeShareDefault;
  if (!(free_share >= 0 && free_share < 1)) {
    return absl::InvalidArgumentError(absl::StrCat("repetition.free_share: found ", free_share,
                                                   ", expected 0 or more, and below 1"));
  }
  return std::unique_ptr<const Verifier>(
      new RepetitionVerifier(static_cast<size_t>(n), free_share));
}

absl::StatusOr<Judgement> RepetitionVerifier::Judge(const Response& response) const {
  std::vector<uint32_t> windows = NumberedWords(Lowered(Decoded(response.text)));
  if (windows.size() < n_ + 1) {
    return Judgement{std::string(kEqual), 1, "too short to repeat anything"};
  }
  const size_t total = windows.size() - n_ + 1;
  uint32_t distinct = *std::max_element(windows.begin(), windows.end()) + 1;
  size_t length = 1;
  while (length < n_) {
    const size_t step = std::min(length, n_ - length);
    distinct = Joined(windows, step);
    length += step;
  }
  const double repeated = 1 - static_cast<double>(distinct) / static_cast<double>(total);
  const double score = 1 - std::max(0.0, repeated - free_share_) / (1 - free_share_);
  return Judgement{score == 1 ? std::string(kEqual) : "repeated", score,
                   absl::StrCat(total - distinct, " of ", total, " ", n_, "-grams are repeated")};
}

}  // namespace temper::reward
