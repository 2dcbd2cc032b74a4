// Scripts decide first; CLD2 is asked only where they leave a doubt.
#include "reward/language/language_verifier.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "reward/answer_extractor.h"
#include "reward/language/language_detector.h"
#include "reward/language/prose.h"
#include "reward/language/script.h"
#include "reward/text/code_points.h"
#include "reward/text/metadata.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

constexpr std::string_view kThinkEnd = "</think>";

absl::Status Unknown(const std::string& place, std::string_view code) {
  return absl::InvalidArgumentError(absl::StrCat(
      place, ": found ", Quoted(code), ", expected one of ", std::string(KnownLanguages())));
}

Judgement Skipped(const std::string& reason) { return {"skipped", 1, reason}; }

}  // namespace

absl::StatusOr<std::unique_ptr<const Verifier>> LanguageVerifier::Create(
    const temper::v1::LanguageOptions& options) {
  auto verifier = std::unique_ptr<LanguageVerifier>(new LanguageVerifier);
  if (!options.language().empty()) {
    const LanguageScripts* language = LanguageOfCode(options.language());
    if (language == nullptr) return Unknown("language.language", options.language());
    verifier->language_ = language->code;
  }
  if (options.part() == "thought") {
    verifier->part_ = Part::kThought;
  } else if (options.part() == "response") {
    verifier->part_ = Part::kResponse;
  } else if (!options.part().empty() && options.part() != "answer") {
    return absl::InvalidArgumentError(absl::StrCat("language.part: found ", Quoted(options.part()),
                                                   ", expected answer, thought or response"));
  }
  if (options.has_share_min()) verifier->share_min_ = options.share_min();
  if (!(verifier->share_min_ > 0 && verifier->share_min_ <= 1)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "language.share_min: found ", options.share_min(), ", expected above 0 and at most 1"));
  }
  if (options.has_letters_min()) verifier->letters_min_ = options.letters_min();
  if (verifier->letters_min_ < 1) {
    return absl::InvalidArgumentError(absl::StrCat("language.letters_min: found ",
                                                   options.letters_min(), ", expected 1 or more"));
  }
  verifier->fraction_ = options.fraction();
  return verifier;
}

absl::StatusOr<std::string> LanguageVerifier::Wanted(const Response& response) const {
  if (!language_.empty()) return language_;
  TEMPER_ASSIGN_OR_RETURN(const nlohmann::json metadata, ParseMetadata(response.metadata));
  if (const nlohmann::json* code = FindKey(metadata, {"language"})) {
    if (!code->is_string()) return WrongValue("language", *code, "the code of a language");
    const LanguageScripts* language = LanguageOfCode(code->get<std::string>());
    if (language == nullptr) return Unknown("metadata.language", code->get<std::string>());
    return std::string(language->code);
  }
  const std::u32string prose = Prose(Decoded(response.prompt));
  if (CountScripts(prose).letters < static_cast<size_t>(letters_min_)) return std::string();
  DetectedLanguage detected = DetectLanguage(prose);
  return detected.certain ? std::move(detected.code) : std::string();
}

std::string_view LanguageVerifier::PartOf(std::string_view text, std::string& storage) const {
  if (part_ == Part::kResponse) return text;
  if (part_ == Part::kThought) return text.substr(0, std::min(text.rfind(kThinkEnd), text.size()));
  storage = WithoutThinking(text);
  return storage;
}

absl::StatusOr<Judgement> LanguageVerifier::Judge(const Response& response) const {
  TEMPER_ASSIGN_OR_RETURN(const std::string wanted, Wanted(response));
  if (wanted.empty()) return Skipped("the language of the prompt cannot be told");
  std::string storage;
  const std::u32string prose = Prose(Decoded(PartOf(response.text, storage)));
  const ScriptCounts counts = CountScripts(prose);
  if (counts.letters < static_cast<size_t>(letters_min_)) {
    return Skipped(absl::StrCat(counts.letters, " letters are too few to tell a language"));
  }
  const LanguageScripts& language = *LanguageOfCode(wanted);
  const double share = ShareOf(language, counts);
  const std::string said =
      absl::StrFormat("%.1f %% of the letters are of the script of \"%s\"", 100 * share, wanted);
  if (share < share_min_) {
    return Judgement{std::string(kNotEqual), fraction_ ? share : 0, said};
  }
  if (!language.only) {
    const DetectedLanguage detected = DetectLanguage(prose);
    const double detected_share = detected.code == wanted ? 1 : DetectedShare(prose, wanted);
    if (detected.certain && detected.code != wanted && detected_share < share_min_) {
      return Judgement{std::string(kNotEqual), fraction_ ? std::min(share, detected_share) : 0,
                       absl::StrCat("the language is ",
                                    detected.code.empty() ? "another one"
                                                          : absl::StrCat("\"", detected.code, "\""),
                                    ", expected \"", wanted, "\"")};
    }
  }
  return Judgement{std::string(kEqual), fraction_ ? share : 1, said};
}

}  // namespace temper::reward
