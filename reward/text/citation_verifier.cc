// Every citation is looked up; the first that is wrong is the reason.
#include "reward/text/citation_verifier.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "reward/answer_extractor.h"
#include "reward/text/citation_reader.h"
#include "reward/text/metadata.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

using Passages = std::map<std::string, std::string>;  // folded texts by id

constexpr size_t kIdBytesMax = 128;
constexpr size_t kPassagesMax = 1024;
// Bytes of quotations that are looked up times bytes of passages they may stand in.
constexpr size_t kStepsMax = size_t{1} << 30;

absl::StatusOr<std::string> ReadId(const nlohmann::json& id, const std::string& place) {
  if (id.is_number_integer()) return id.dump();
  if (!id.is_string()) return WrongValue(place, id, "a string or a whole number");
  const std::string text = id.get<std::string>();
  const bool citable = !text.empty() && text.size() <= kIdBytesMax && text.front() != ' ' &&
                       text.back() != ' ' && text.find_first_of("[],;\n") == std::string::npos;
  if (!citable) return WrongValue(place, id, "an id that can stand in brackets");
  return text;
}

absl::StatusOr<Passages> ReadPassages(std::string_view text) {
  TEMPER_ASSIGN_OR_RETURN(const nlohmann::json metadata, ParseMetadata(text));
  const std::string key = metadata.contains("passages") ? "passages" : "documents";
  const nlohmann::json* listed = FindKey(metadata, {"passages", "documents"});
  if (listed == nullptr || !listed->is_structured() || listed->empty() ||
      listed->size() > kPassagesMax) {
    return WrongValue(key, listed == nullptr ? nlohmann::json() : *listed,
                      absl::StrCat("1 to ", kPassagesMax, " passages"));
  }
  Passages passages;
  int number = 0;
  for (const auto& [name, passage] : listed->items()) {
    const std::string place = absl::StrCat(key, "[", name, "]");
    ++number;
    std::string id = listed->is_object() ? name : absl::StrCat(number);
    const nlohmann::json* body = &passage;
    if (passage.is_object()) {
      if (const nlohmann::json* own = FindKey(passage, {"id"})) {
        TEMPER_ASSIGN_OR_RETURN(id, ReadId(*own, absl::StrCat(place, ".id")));
      }
      body = FindKey(passage, {"text", "contents", "content"});
      if (body == nullptr) return WrongValue(place, passage, "\"id\" and \"text\"");
    }
    TEMPER_ASSIGN_OR_RETURN(id, ReadId(nlohmann::json(id), place));
    if (!body->is_string()) return WrongValue(place, *body, "the text of a passage");
    if (!passages.emplace(id, FoldedQuote(body->get<std::string>())).second) {
      return WrongValue(place, nlohmann::json(id), "an id that no other passage has");
    }
  }
  return passages;
}

Judgement NotEqual(std::string reason) { return {std::string(kNotEqual), 0, std::move(reason)}; }

// Whether the quotation stands in one of the passages that are cited.
bool Quotes(const CitationGroup& group, const Passages& passages) {
  const std::string quote = FoldedQuote(group.quote);
  if (quote.empty()) return false;
  for (const std::string& id : group.ids) {
    if (passages.at(id).find(quote) != std::string::npos) return true;
  }
  return false;
}

size_t StepsOf(const CitationGroup& group, const Passages& passages) {
  size_t steps = group.quote.size();
  for (const std::string& id : std::set<std::string>(group.ids.begin(), group.ids.end())) {
    steps += passages.at(id).size();
  }
  return steps;
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Verifier>> CitationVerifier::Create(
    const temper::v1::CitationOptions& options) {
  auto verifier = std::unique_ptr<CitationVerifier>(new CitationVerifier);
  if (options.has_min()) verifier->min_ = options.min();
  if (verifier->min_ < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("citation.min: found ", verifier->min_, ", expected 0 or more"));
  }
  if (options.has_check_quotes()) verifier->check_quotes_ = options.check_quotes();
  verifier->require_quote_ = options.require_quote();
  if (verifier->require_quote_ && !verifier->check_quotes_) {
    return absl::InvalidArgumentError(
        "citation.require_quote: means nothing when check_quotes is false");
  }
  return verifier;
}

absl::StatusOr<Judgement> CitationVerifier::Judge(const Response& response) const {
  TEMPER_ASSIGN_OR_RETURN(const Passages passages, ReadPassages(response.metadata));
  std::vector<std::string> given;
  for (const auto& [id, text] : passages) given.push_back(id);
  std::set<std::string> cited;
  size_t steps = 0;
  int quotes = 0;
  for (CitationGroup& group : ReadCitations(WithoutThinking(response.text), given)) {
    for (const std::string& id : group.ids) {
      if (passages.count(id) == 0) {
        return NotEqual(absl::StrCat("[", Quoted(id), "] was not given"));
      }
      cited.insert(id);
    }
    if (!check_quotes_ || group.quote.empty()) continue;
    std::set<std::string> once(group.ids.begin(), group.ids.end());
    group.ids.assign(once.begin(), once.end());
    steps += StepsOf(group, passages);
    if (steps > kStepsMax) {
      return Judgement{std::string(kUndecided), 0, "more quotations than can be looked up"};
    }
    if (!Quotes(group, passages)) {
      return NotEqual(absl::StrCat(Quoted(group.quote), " does not stand in what it cites"));
    }
    ++quotes;
  }
  if (cited.size() < static_cast<size_t>(min_)) {
    return NotEqual(absl::StrCat("cites ", cited.size(), " passages, expected at least ", min_));
  }
  if (require_quote_ && quotes == 0) return NotEqual("no citation has a quotation before it");
  return Judgement{std::string(kEqual), 1,
                   absl::StrCat("cites ", cited.size(), " of ", passages.size(), " passages, ",
                                quotes, " with a quotation")};
}

}  // namespace temper::reward
