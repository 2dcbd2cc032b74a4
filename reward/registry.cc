// An explicit table: a new verifier is one file and one line here.
#include "reward/registry.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"
#include "reward/answer_verifier.h"
#include "reward/format_verifier.h"
#include "reward/math/math_verifier.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::reward {
namespace {

using VerifierOr = absl::StatusOr<std::unique_ptr<const Verifier>>;

absl::Status NotRead(std::string_view field, const temper::v1::RubricPart& part) {
  return absl::InvalidArgumentError(absl::StrCat(
      std::string(field), ": verifier \"", part.verifier(), "\" does not read it; remove it"));
}

VerifierOr MakeAnswer(const temper::v1::RubricPart& part) {
  if (!part.pattern().empty()) return NotRead("pattern", part);
  TEMPER_ASSIGN_OR_RETURN(AnswerExtractor extractor,
                          AnswerExtractor::Create(part.extract(), part.marker()));
  return std::make_unique<const AnswerVerifier>(std::move(extractor));
}

VerifierOr MakeFormat(const temper::v1::RubricPart& part) {
  if (!part.extract().empty()) return NotRead("extract", part);
  if (!part.marker().empty()) return NotRead("marker", part);
  return FormatVerifier::Create(part.pattern());
}

VerifierOr MakeMath(const temper::v1::RubricPart& part) {
  if (!part.pattern().empty()) return NotRead("pattern", part);
  TEMPER_ASSIGN_OR_RETURN(AnswerExtractor extractor,
                          AnswerExtractor::Create(part.extract(), part.marker()));
  TEMPER_ASSIGN_OR_RETURN(const math::Policy policy, math::ReadPolicy(part.math()));
  return std::make_unique<const MathVerifier>(std::move(extractor), policy);
}

struct Entry {
  const char* name;
  // Raised whenever a judgement may come out otherwise than before: part of the key of every cache.
  int version;
  VerifierOr (*make)(const temper::v1::RubricPart&);
};

constexpr Entry kTable[] = {
    {"answer", 1, MakeAnswer},
    {"format", 1, MakeFormat},
    {"math", 1, MakeMath},
};

}  // namespace

const std::vector<std::string>& VerifierNames() {
  static const std::vector<std::string>& names = *[] {
    auto* listed = new std::vector<std::string>;
    for (const Entry& entry : kTable) listed->push_back(entry.name);
    return listed;
  }();
  return names;
}

VerifierOr MakeVerifier(const temper::v1::RubricPart& part) {
  for (const Entry& entry : kTable) {
    if (part.verifier() == entry.name) return entry.make(part);
  }
  const std::string nearest = NearestName(part.verifier(), VerifierNames());
  return absl::InvalidArgumentError(
      absl::StrCat("verifier: found ", Quoted(part.verifier()), ", expected ",
                   absl::StrJoin(VerifierNames(), " or "),
                   nearest.empty() ? "" : absl::StrCat("; did you mean \"", nearest, "\"?")));
}

}  // namespace temper::reward
