// Reads both sides, compares the trees, and where those cannot be had, the texts.
#include "reward/math/compare.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "reward/math/answer_text.h"
#include "reward/math/characters.h"
#include "reward/math/token.h"

namespace temper::reward::math {
namespace {

// Steps of one comparison: a few milliseconds of work.
constexpr long kFuel = 200000;

Judgement Judged(Verdict verdict, std::string reason, bool proven) {
  Judgement judgement;
  judgement.verdict = verdict == Verdict::kEqual      ? kEqual
                      : verdict == Verdict::kNotEqual ? kNotEqual
                                                      : kUndecided;
  judgement.score = verdict == Verdict::kEqual ? 1 : 0;
  judgement.reason = std::move(reason);
  if (proven) judgement.details = "{\"proven\": true}";
  return judgement;
}

uint64_t SeedOf(std::string_view gold, std::string_view answer) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const std::string_view text : {gold, std::string_view("\n"), answer}) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return hash;
}

// The letter of a multiple choice: "C", "(C)", "C.", "(C) 42", "C. x = 42"; else nothing. `alone`:
// no words behind it.
char ChoiceLetter(std::string_view text, bool& alone) {
  text = Trimmed(text);
  const bool open = Consume(text, "(");
  if (text.empty() || text[0] < 'A' || text[0] > 'J') return '\0';
  const char letter = text[0];
  text.remove_prefix(1);
  alone = text.empty();
  if (alone) return open ? '\0' : letter;
  const bool closed = Consume(text, ")");
  if (open && !closed) return '\0';
  const bool marked = closed || Consume(text, ".") || Consume(text, ":");
  alone = text.empty();
  if (!marked || (!alone && IsDigit(text[0]) && !closed)) return '\0';
  // "(A) or (B)" chooses nothing.
  for (size_t i = 0; i + 2 < text.size(); ++i) {
    if (text[i] == '(' && text[i + 1] >= 'A' && text[i + 1] <= 'J' && text[i + 2] == ')')
      return '\0';
  }
  return letter;
}

// A lone number with one comma: "1,5", "0,111", "1000,99".
bool MayBeDecimalComma(std::string_view text) {
  text = Trimmed(text);
  Consume(text, "-");
  const size_t comma = text.find(',');
  if (comma == 0 || comma == std::string_view::npos || comma + 1 == text.size()) return false;
  // "1,000" is a thousand.
  if (comma <= 3 && text[0] != '0' && text.size() - comma == 4) return false;
  return std::all_of(text.begin(), text.end(), [&text, comma](const char& c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
           static_cast<size_t>(&c - text.data()) == comma;
  });
}

bool IsDecimal(const Reading& reading) {
  if (reading.formula == nullptr) return false;
  const Expr* at = reading.formula.get();
  while (at->kind == Kind::kNegate || at->kind == Kind::kQuantity) at = at->args[0].get();
  return at->kind == Kind::kNumber && at->places > 0;
}

class Door {
 public:
  Door(std::string_view gold, std::string_view answer, const Policy& policy)
      : gold_(gold),
        answer_(answer),
        policy_(policy),
        style_{.thousands = true, .decimal_comma = policy.decimal_comma == CommaPolicy::kAlways},
        fuel_(kFuel) {}

  Judgement Judge() {
    if (gold_.size() > kGoldBytesMax) {
      return Judged(Verdict::kUndecided,
                    absl::StrCat("the gold answer is longer than ", kGoldBytesMax, " bytes"),
                    false);
    }
    if (answer_.size() > kGoldBytesMax) {
      return Judged(Verdict::kNotEqual,
                    absl::StrCat("the answer is longer than ", kGoldBytesMax, " bytes"), true);
    }
    const Reading gold = ReadAnswer(gold_, style_);
    if (!gold.found) {
      return Judged(Verdict::kUndecided, absl::StrCat("the gold answer: ", gold.problem), false);
    }
    const Reading answer = ReadAnswer(answer_, style_);
    if (!answer.found) return Judged(Verdict::kNotEqual, answer.problem, true);
    if (const auto choice = Choice(gold, answer); choice.has_value()) return *choice;
    const std::string wanted = PlainText(gold.text);
    const std::string given = PlainText(answer.text);
    const bool comparable = answer.formula != nullptr || gold.formula == nullptr;
    if (comparable && !wanted.empty() && wanted == given) {
      return Judged(Verdict::kEqual, "the same text", true);
    }
    const std::string both = absl::StrCat(": found ", Quoted(given), ", expected ", Quoted(wanted));
    if (gold.formula == nullptr) return JudgeTexts(gold, wanted, given, both);
    if (answer.formula == nullptr) {
      const bool words = gold.formula->kind == Kind::kText || gold.formula->kind == Kind::kMul;
      if (words && Letters(wanted) && EqualWords(wanted, given)) {
        return Judged(Verdict::kEqual, "the same words", true);
      }
      return Judged(Verdict::kNotEqual,
                    absl::StrCat("the answer cannot be read: ", answer.problem, both), false);
    }
    const bool words = gold.formula->kind == Kind::kText || answer.formula->kind == Kind::kText;
    if (words && Letters(wanted) && EqualWords(wanted, given)) {
      return Judged(Verdict::kEqual, "the same words", true);
    }
    const Finding finding = Compare(gold, answer);
    return Judged(finding.verdict,
                  absl::StrCat(finding.reason, finding.verdict == Verdict::kEqual ? "" : both),
                  finding.proven);
  }

 private:
  static constexpr size_t kGoldBytesMax = 1 << 20;

  static bool Letters(std::string_view text) {
    return std::count_if(text.begin(), text.end(), [](char c) {
             return absl::ascii_isalpha(static_cast<unsigned char>(c));
           }) > 1;
  }

  // A lone letter against a letter with its option.
  std::optional<Judgement> Choice(const Reading& gold, const Reading& answer) const {
    bool gold_alone = false;
    bool answer_alone = false;
    const char wanted = ChoiceLetter(PlainText(gold.text), gold_alone);
    if (wanted == '\0') return std::nullopt;
    const std::string trimmed(Trimmed(answer_));
    char given = ChoiceLetter(PlainText(answer.text), answer_alone);
    if (given == '\0') given = ChoiceLetter(PlainText(trimmed), answer_alone);
    if (given == '\0' || (!gold_alone && !answer_alone)) return std::nullopt;
    if (given == wanted) return Judged(Verdict::kEqual, "the same choice", true);
    return Judged(Verdict::kNotEqual, "another choice", true);
  }

  static Judgement JudgeTexts(const Reading& gold, const std::string& wanted,
                              const std::string& given, const std::string& both) {
    if (Letters(wanted) && EqualWords(wanted, given)) {
      return Judged(Verdict::kEqual, "the same words", true);
    }
    // Words are compared as words; a formula that we cannot read decides nothing.
    if (wanted.find('\\') == std::string::npos && wanted.find('=') == std::string::npos) {
      return Judged(Verdict::kNotEqual, absl::StrCat("another text", both), false);
    }
    return Judged(Verdict::kUndecided,
                  absl::StrCat("the gold answer cannot be read: ", gold.problem, both), false);
  }

  Finding Compare(const Reading& gold, const Reading& answer) {
    Comparer comparer(policy_, SeedOf(gold.text, answer.text), fuel_);
    Finding finding = comparer.Compare(gold.formula, answer.formula);
    if (finding.verdict == Verdict::kEqual) return finding;
    if (policy_.decimal_comma == CommaPolicy::kAuto) {
      const NumberStyle comma{.thousands = true, .decimal_comma = true};
      if (IsDecimal(gold) && MayBeDecimalComma(answer.text)) {
        const Reading again = ReadAnswer(answer.text, comma);
        if (IsDecimal(again)) return comparer.Compare(gold.formula, again.formula);
      }
      if (IsDecimal(answer) && MayBeDecimalComma(gold.text)) {
        const Reading again = ReadAnswer(gold.text, comma);
        if (IsDecimal(again)) return comparer.Compare(again.formula, answer.formula);
      }
    }
    // "100,200,300" beside a list written with blanks is a list, too.
    const bool lists = (gold.formula->kind == Kind::kList || gold.formula->kind == Kind::kSet) !=
                       (answer.formula->kind == Kind::kList || answer.formula->kind == Kind::kSet);
    if (lists && gold.formula->kind != Kind::kNumber &&
        answer.text.find(", ") == std::string::npos && answer.text.find(',') != std::string::npos &&
        answer.text.find_first_of(".$") == std::string::npos &&
        answer.text.find(",0") == std::string::npos) {
      const Reading again = ReadAnswer(answer.text, {.thousands = false, .decimal_comma = false});
      if (again.formula != nullptr) {
        const Finding second = comparer.Compare(gold.formula, again.formula);
        if (second.verdict == Verdict::kEqual) return second;
      }
    }
    return finding;
  }

  const std::string_view gold_;
  const std::string_view answer_;
  const Policy& policy_;
  const NumberStyle style_;
  Fuel fuel_;
};

template <typename Enum>
absl::StatusOr<Enum> WordOf(std::string_view field, std::string_view found,
                            std::initializer_list<std::pair<std::string_view, Enum>> known,
                            Enum otherwise) {
  if (found.empty()) return otherwise;
  std::string words;
  for (const auto& [word, value] : known) {
    if (word == found) return value;
    words += words.empty() ? "" : ", ";
    words += word;
  }
  return absl::InvalidArgumentError(absl::StrCat("math.", std::string(field), ": found ",
                                                 Quoted(found), ", expected one of ", words));
}

}  // namespace

absl::StatusOr<Policy> ReadPolicy(const temper::v1::MathOptions& options) {
  Policy policy;
  TEMPER_ASSIGN_OR_RETURN(policy.percent,
                          WordOf<PercentPolicy>("percent", options.percent(),
                                                {{"strict", PercentPolicy::kStrict},
                                                 {"fraction", PercentPolicy::kFraction},
                                                 {"bare_ok", PercentPolicy::kBareOk}},
                                                PercentPolicy::kBareOk));
  TEMPER_ASSIGN_OR_RETURN(policy.units, WordOf<UnitPolicy>("units", options.units(),
                                                           {{"optional", UnitPolicy::kOptional},
                                                            {"required", UnitPolicy::kRequired},
                                                            {"ignored", UnitPolicy::kIgnored}},
                                                           UnitPolicy::kOptional));
  TEMPER_ASSIGN_OR_RETURN(policy.decimal_comma,
                          WordOf<CommaPolicy>("decimal_comma", options.decimal_comma(),
                                              {{"auto", CommaPolicy::kAuto},
                                               {"never", CommaPolicy::kNever},
                                               {"always", CommaPolicy::kAlways}},
                                              CommaPolicy::kAuto));
  const double relative = options.relative_tolerance();
  if (!(relative >= 0 && relative < 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("math.relative_tolerance: found ", relative, ", expected a number in [0, 1)"));
  }
  policy.tolerance.relative = relative;
  if (options.has_gold_places_min()) {
    policy.tolerance.gold_places_min = options.gold_places_min();
  }
  if (options.has_answer_digits_min()) {
    const int digits = options.answer_digits_min();
    policy.tolerance.answer_digits_min = digits > 0 ? digits : 1 << 30;
  }
  policy.ordered_lists = options.ordered_lists();
  policy.tuples_as_sets = options.tuples_as_sets();
  policy.relation_for_set = options.relation_for_set();
  return policy;
}

Judgement CompareMath(std::string_view gold, std::string_view answer, const Policy& policy) {
  return Door(gold, answer, policy).Judge();
}

Judgement CompareMath(std::string_view gold, std::string_view answer) {
  return CompareMath(gold, answer, Policy());
}

}  // namespace temper::reward::math
