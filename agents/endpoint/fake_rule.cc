// Reads rules, fills templates.
#include "agents/endpoint/fake_rule.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/nearest_name.h"
#include "base/philox.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

using nlohmann::ordered_json;

constexpr const char* kWordList[] = {"amber", "basin", "cedar", "delta", "ember",  "fjord",
                                     "grove", "haven", "inlet", "jetty", "knoll",  "larch",
                                     "marsh", "north", "ocean", "plain", "quill",  "ridge",
                                     "slope", "thorn", "umber", "vista", "willow", "yarrow"};

const std::vector<std::pair<std::string, FakeFault>>& Faults() {
  static const auto* const faults = new std::vector<std::pair<std::string, FakeFault>>{
      {"http_503", FakeFault::kHttp503}, {"http_429", FakeFault::kHttp429},
      {"quota", FakeFault::kQuota},      {"bad_request", FakeFault::kBadRequest},
      {"context", FakeFault::kContext},  {"truncate", FakeFault::kTruncate},
      {"stall", FakeFault::kStall},      {"error_in_stream", FakeFault::kErrorInStream},
      {"length", FakeFault::kLength}};
  return *faults;
}

FakeFault ReadFault(JsonFields& fields) {
  const std::string name = fields.Text("fault");
  std::vector<std::string> known;
  for (const auto& [each, fault] : Faults()) {
    if (each == name) return fault;
    known.push_back(each);
  }
  if (!name.empty()) fields.RefuseName("fault", name, known);
  return FakeFault::kNone;
}

std::unique_ptr<const RE2> Compile(JsonFields& fields, std::string_view key,
                                   const std::string& pattern) {
  if (pattern.empty()) return nullptr;
  RE2::Options options(RE2::Quiet);
  options.set_dot_nl(true);
  auto compiled = std::make_unique<const RE2>(pattern, options);
  if (compiled->ok()) return compiled;
  fields.Refuse(key, absl::StrCat("\"", pattern, "\" is no RE2: ", compiled->error()));
  return nullptr;
}

std::optional<FakeNumber> ReadNumber(JsonFields& fields, std::string_view key) {
  const ordered_json* const value = fields.Find(key);
  if (value == nullptr) return std::nullopt;
  FakeNumber number;
  if (value->is_number()) {
    number.kind = FakeNumber::Kind::kConstant;
    number.constant = value->get<double>();
    return number;
  }
  JsonFields inner(*value, fields.PathOf(key));
  if (const ordered_json* const range = inner.Find("digest"); range != nullptr) {
    const bool whole = range->is_array() && range->size() == 2 && (*range)[0].is_number() &&
                       (*range)[1].is_number();
    if (!whole) inner.Refuse("digest", "must be [LOW, HIGH]");
    if (whole) number.low = (*range)[0].get<double>(), number.high = (*range)[1].get<double>();
  } else if (inner.Find("length") != nullptr) {
    number.kind = FakeNumber::Kind::kLength;
    number.constant = inner.Number("length", 1, -1e9, 1e9);
  } else if (inner.Find("capture") != nullptr) {
    number.kind = FakeNumber::Kind::kCapture;
    number.pattern = Compile(inner, "capture", inner.RequiredText("capture"));
    if (number.pattern != nullptr && number.pattern->NumberOfCapturingGroups() != 1) {
      inner.Refuse("capture", "must have exactly one group");
    }
  } else {
    inner.Merge(absl::InvalidArgumentError(absl::StrCat(
        fields.PathOf(key), ": must be a number, or hold \"digest\", \"length\" or \"capture\"")));
  }
  fields.Merge(inner.Finish());
  return number;
}

void ReadMatch(JsonFields& fields, FakeScript::Rule& rule) {
  const ordered_json* const match = fields.Find("match");
  if (match == nullptr) return;
  if (match->is_string()) {
    rule.last = Compile(fields, "match", match->get<std::string>());
    return;
  }
  JsonFields inner(*match, fields.PathOf("match"));
  rule.last = Compile(inner, "last", inner.Text("last"));
  rule.prompt = Compile(inner, "prompt", inner.Text("prompt"));
  rule.model = Compile(inner, "model", inner.Text("model"));
  fields.Merge(inner.Finish());
}

}  // namespace

absl::Duration ReadMilliseconds(JsonFields& fields, std::string_view key) {
  return absl::Milliseconds(fields.Number(key, 0, 0, 3.6e6));
}

absl::StatusOr<std::unique_ptr<FakeScript::Rule>> ReadFakeRule(const ordered_json& object,
                                                               const std::string& path) {
  auto rule = std::make_unique<FakeScript::Rule>();
  JsonFields fields(object, path);
  ReadMatch(fields, *rule);
  if (const ordered_json* const reply = fields.Find("reply"); reply != nullptr) {
    auto parsed = FakeTemplate::Parse(fields.Text("reply"));
    if (parsed.ok()) {
      rule->reply = *std::move(parsed);
    } else {
      fields.Refuse("reply", std::string(parsed.status().message()));
    }
  }
  rule->score = ReadNumber(fields, "score");
  rule->yes = ReadNumber(fields, "yes");
  if (fields.Find("latency_ms") != nullptr) rule->latency = ReadMilliseconds(fields, "latency_ms");
  if (fields.Find("latency_jitter_ms") != nullptr) {
    rule->jitter = ReadMilliseconds(fields, "latency_jitter_ms");
  }
  rule->fault = ReadFault(fields);
  rule->retry_after = fields.Number("retry_after", 0, 0, 1e6);
  rule->times = fields.Whole("times", INT64_MAX, 1, INT64_MAX);
  TEMPER_RETURN_IF_ERROR(fields.Finish());
  return rule;
}

bool FakeScript::Rule::Matches(std::string_view asked_model, std::string_view whole,
                               std::string_view last_message, FakeMatch& match) const {
  const auto piece = [](std::string_view text) {
    return re2::StringPiece(text.data(), text.size());
  };
  if (times.load() <= 0) return false;
  if (model != nullptr && !RE2::PartialMatch(piece(asked_model), *model)) return false;
  if (prompt != nullptr && !RE2::PartialMatch(piece(whole), *prompt)) return false;
  if (last != nullptr) {
    re2::StringPiece groups[10];
    const int count = std::min(last->NumberOfCapturingGroups(), 9) + 1;
    if (!last->Match(piece(last_message), 0, last_message.size(), RE2::UNANCHORED, groups, count)) {
      return false;
    }
    for (int i = 1; i < count; ++i) match.groups[i - 1] = std::string(groups[i]);
  }
  if (times.load() == INT64_MAX) return true;
  return times.fetch_sub(1) > 0;
}

double FakeNumber::Value(std::string_view last, uint64_t hash) const {
  switch (kind) {
    case Kind::kConstant:
      return constant;
    case Kind::kDigest:
      return low + (high - low) * UniformAt(hash, 1, 0);
    case Kind::kLength:
      return constant * static_cast<double>(FakeScript::CountTokens(last));
    case Kind::kCapture: {
      std::string found;
      double number = 0;
      const bool read =
          RE2::PartialMatch(re2::StringPiece(last.data(), last.size()), *pattern, &found) &&
          absl::SimpleAtod(found, &number) && std::isfinite(number);
      return read ? number : 0;
    }
  }
  return 0;
}

std::string FakeWords(uint64_t hash, int64_t count) {
  std::string words;
  for (int64_t i = 0; i < count; ++i) {
    const size_t word = Philox(hash, 2, static_cast<uint64_t>(i))[0] % std::size(kWordList);
    absl::StrAppend(&words, i == 0 ? "" : " ", kWordList[word]);
  }
  return words;
}

std::string DefaultFakeText(uint64_t hash) {
  return absl::StrCat(FakeWords(hash, 8 + static_cast<int64_t>(hash % 9)), " ",
                      absl::StrFormat("%08x", static_cast<uint32_t>(hash)));
}

absl::StatusOr<FakeTemplate::Piece> FakeTemplate::Hole(std::string_view inside) {
  std::vector<std::string> words = absl::StrSplit(std::string(inside), ' ', absl::SkipEmpty());
  const std::string verb = words.empty() ? "" : words.front();
  Piece piece;
  const auto wrong = [&inside](const char* why) {
    return absl::InvalidArgumentError(absl::StrCat("{{", std::string(inside), "}}: ", why));
  };
  const auto whole = [&words](size_t i, int64_t& number) {
    return i < words.size() && absl::SimpleAtoi(words[i], &number);
  };
  if (verb == "sample" || verb == "digest" || verb == "last") {
    piece.kind = verb == "sample"   ? Piece::Kind::kSample
                 : verb == "digest" ? Piece::Kind::kDigest
                                    : Piece::Kind::kLast;
    if (words.size() != 1) return wrong("takes nothing more");
  } else if (verb == "random") {
    piece.kind = Piece::Kind::kRandom;
    piece.words.assign(words.begin() + 1, words.end());
    if (piece.words.empty()) return wrong("needs words to choose from");
  } else if (verb == "number") {
    piece.kind = Piece::Kind::kNumber;
    if (words.size() != 3 || !whole(1, piece.low) || !whole(2, piece.high) ||
        piece.low > piece.high) {
      return wrong("needs two whole numbers, the lower one first");
    }
  } else if (verb == "words") {
    piece.kind = Piece::Kind::kWords;
    if (words.size() != 2 || !whole(1, piece.low) || piece.low < 1 || piece.low > 1000000) {
      return wrong("needs a number of words");
    }
  } else if (verb.size() == 1 && verb[0] >= '1' && verb[0] <= '9' && words.size() == 1) {
    piece.kind = Piece::Kind::kGroup;
    piece.low = verb[0] - '1';
  } else {
    const std::vector<std::string> known = {"sample", "digest", "last",
                                            "random", "number", "words"};
    return absl::InvalidArgumentError(
        absl::StrCat("{{", std::string(inside), "}}: unknown hole", Suggestion(verb, known)));
  }
  return piece;
}

absl::StatusOr<FakeTemplate> FakeTemplate::Parse(std::string_view text) {
  FakeTemplate made;
  while (!text.empty()) {
    const size_t begin = text.find("{{");
    if (begin != 0) {
      made.pieces_.push_back({.text = std::string(text.substr(0, begin))});
      if (begin == std::string_view::npos) break;
    }
    const size_t end = text.find("}}", begin);
    if (end == std::string_view::npos) {
      return absl::InvalidArgumentError("a \"{{\" is never closed");
    }
    TEMPER_ASSIGN_OR_RETURN(Piece piece, Hole(text.substr(begin + 2, end - begin - 2)));
    made.pieces_.push_back(std::move(piece));
    text.remove_prefix(end + 2);
  }
  return made;
}

std::string FakeTemplate::Fill(const FakeTemplateValues& values) const {
  std::string text;
  uint64_t draw = 0;
  for (const Piece& piece : pieces_) {
    const uint64_t drawn = Philox(values.hash, 3, ++draw)[0];
    switch (piece.kind) {
      case Piece::Kind::kText:
        text += piece.text;
        break;
      case Piece::Kind::kSample:
        absl::StrAppend(&text, values.sample);
        break;
      case Piece::Kind::kDigest:
        absl::StrAppend(&text, absl::StrFormat("%08x", static_cast<uint32_t>(values.hash)));
        break;
      case Piece::Kind::kLast:
        text += values.last;
        break;
      case Piece::Kind::kRandom:
        text += piece.words[drawn % piece.words.size()];
        break;
      case Piece::Kind::kNumber:
        absl::StrAppend(&text,
                        piece.low + static_cast<int64_t>(
                                        drawn % static_cast<uint64_t>(piece.high - piece.low + 1)));
        break;
      case Piece::Kind::kWords:
        text += FakeWords(values.hash ^ drawn, piece.low);
        break;
      case Piece::Kind::kGroup:
        text += values.groups[static_cast<size_t>(piece.low)];
        break;
    }
  }
  return text;
}

}  // namespace temper::agents
