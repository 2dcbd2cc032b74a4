// Reads records strictly, and puts turns behind conversations.
#include "orchestrator/recipe/helpsteer3.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "orchestrator/eval/inflate.h"

namespace temper::recipe {
namespace {

constexpr char kPlace[] = "{feedback}";
constexpr size_t kCommentsMax = 4;  // 24 orders
constexpr eval::InflateLimits kInflate{.bytes_max = size_t{8} << 30, .ratio_max = 200};

// The value of a key; an error lists the keys that are there.
absl::StatusOr<const Json*> Find(const Json& record, const char* key, const char* expected) {
  const auto found = record.find(key);
  if (found != record.end()) return &*found;
  std::vector<std::string> keys;
  for (const auto& [name, value] : record.items()) keys.push_back(absl::StrCat("\"", name, "\""));
  return absl::InvalidArgumentError(
      absl::StrCat("lacks \"", key, "\" (", expected, "); found ",
                   keys.empty() ? std::string("no keys") : absl::StrJoin(keys, ", ")));
}

absl::Status Wrong(const std::string& key, const Json& found, const char* expected) {
  const std::string text = found.dump(-1, ' ', false, Json::error_handler_t::replace);
  return absl::InvalidArgumentError(absl::StrCat("\"", key, "\": found ", text.substr(0, 60),
                                                 text.size() > 60 ? "..." : "", ", expected ",
                                                 expected));
}

absl::StatusOr<std::string> Text(const Json& record, const char* key) {
  TEMPER_ASSIGN_OR_RETURN(const Json* const value, Find(record, key, "a text"));
  if (!value->is_string()) return Wrong(key, *value, "a text");
  return value->get<std::string>();
}

absl::StatusOr<std::vector<std::string>> Comments(const Json& record, const char* key) {
  constexpr char kExpected[] = "a list of 1 to 4 texts";
  TEMPER_ASSIGN_OR_RETURN(const Json* const value, Find(record, key, kExpected));
  if (!value->is_array() || value->empty() || value->size() > kCommentsMax) {
    return Wrong(key, *value, kExpected);
  }
  std::vector<std::string> comments;
  for (const Json& comment : *value) {
    if (!comment.is_string()) return Wrong(key, *value, kExpected);
    comments.push_back(comment.get<std::string>());
  }
  return comments;
}

// The messages before the answer; the last one is the user's.
absl::StatusOr<Json> Context(const Json& record) {
  constexpr char kKey[] = "context";
  constexpr char kExpected[] = "messages {\"role\", \"content\"}, the last of role \"user\"";
  TEMPER_ASSIGN_OR_RETURN(const Json* const value, Find(record, kKey, kExpected));
  if (!value->is_array() || value->empty()) return Wrong(kKey, *value, kExpected);
  for (const Json& message : *value) {
    const bool good = message.is_object() && message.value("role", Json()).is_string() &&
                      message.value("content", Json()).is_string();
    if (!good) return Wrong(kKey, message, kExpected);
  }
  if (value->back()["role"] != "user") return Wrong(kKey, value->back(), kExpected);
  return *value;
}

Json Asked(Json context, const std::string& answer, const std::string& turn) {
  context.push_back({{"role", "assistant"}, {"content", answer}});
  context.push_back({{"role", "user"}, {"content", turn}});
  return context;
}

std::string EditTurn(const Turns& turns, const std::vector<std::string>& comments) {
  return absl::StrReplaceAll(turns.edit, {{kPlace, absl::StrJoin(comments, "\n\n")}});
}

// A record of `edit` or `edit_quality` but for the edits.
struct Draft {
  Json context;
  std::string answer;
  std::vector<std::string> comments;

  Json Asked(const Turns& turns) const {
    return recipe::Asked(context, answer, EditTurn(turns, comments));
  }
};
absl::StatusOr<Draft> ReadDraft(const Json& record) {
  Draft draft;
  TEMPER_ASSIGN_OR_RETURN(draft.context, Context(record));
  TEMPER_ASSIGN_OR_RETURN(draft.answer, Text(record, "original_response"));
  TEMPER_ASSIGN_OR_RETURN(draft.comments, Comments(record, "feedback"));
  return draft;
}

absl::StatusOr<std::string> ReadTurn(const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const std::string turn(absl::StripTrailingAsciiWhitespace(text));
  if (!turn.empty()) return turn;
  return absl::InvalidArgumentError(absl::StrCat(path, ": is empty, expected what the user says"));
}

}  // namespace

absl::StatusOr<Turns> ReadTurns(const std::string& folder) {
  Turns turns;
  const std::string edit = JoinPath(folder, "edit_turn.txt");
  TEMPER_ASSIGN_OR_RETURN(turns.feedback, ReadTurn(JoinPath(folder, "feedback_turn.txt")));
  TEMPER_ASSIGN_OR_RETURN(turns.edit, ReadTurn(edit));
  if (absl::StrContains(turns.edit, kPlace)) return turns;
  return absl::InvalidArgumentError(
      absl::StrCat(edit, ": has no \"", kPlace, "\", where the comments are to stand"));
}

absl::StatusOr<Lines> FeedbackLines(const Json& record, const Turns& turns, int64_t number,
                                    bool all) {
  TEMPER_ASSIGN_OR_RETURN(const Json context, Context(record));
  Lines lines;
  for (const int which : {1, 2}) {
    const std::string response = absl::StrCat("response", which);
    const std::string feedback = absl::StrCat("feedback", which);
    TEMPER_ASSIGN_OR_RETURN(const std::string answer, Text(record, response.c_str()));
    TEMPER_ASSIGN_OR_RETURN(const auto comments, Comments(record, feedback.c_str()));
    const Json messages = Asked(context, answer, turns.feedback);
    const size_t chosen = static_cast<size_t>(number + which) % comments.size();
    for (size_t i = 0; i < comments.size(); ++i) {
      if (!all && i != chosen) continue;
      lines.push_back({{"messages", messages}, {"response", comments[i]}});
    }
  }
  return lines;
}

absl::StatusOr<Lines> EditLines(const Json& record, const Turns& turns) {
  TEMPER_ASSIGN_OR_RETURN(const Draft draft, ReadDraft(record));
  TEMPER_ASSIGN_OR_RETURN(const std::string edited, Text(record, "edited_response"));
  std::vector<size_t> order(draft.comments.size());
  std::iota(order.begin(), order.end(), size_t{0});
  Lines lines;
  do {
    std::vector<std::string> comments;
    for (const size_t i : order) comments.push_back(draft.comments[i]);
    lines.push_back({{"messages", Asked(draft.context, draft.answer, EditTurn(turns, comments))},
                     {"response", edited}});
  } while (std::ranges::next_permutation(order).found);
  return lines;
}

absl::StatusOr<Lines> EditPromptLines(const Json& record, const Turns& turns) {
  TEMPER_ASSIGN_OR_RETURN(const Draft draft, ReadDraft(record));
  return Lines{{{"messages", draft.Asked(turns)}}};
}

absl::StatusOr<Lines> EditPairLines(const Json& record, const Turns& turns) {
  TEMPER_ASSIGN_OR_RETURN(const Draft draft, ReadDraft(record));
  TEMPER_ASSIGN_OR_RETURN(const std::string good, Text(record, "good_edited_response"));
  TEMPER_ASSIGN_OR_RETURN(const std::string bad, Text(record, "bad_edited_response"));
  Json rejected = Json::array();
  for (const std::string* other : {&bad, &draft.answer}) {
    if (*other != good) rejected.push_back(*other);
  }
  if (rejected.empty()) return Lines();
  return Lines{{{"messages", draft.Asked(turns)}, {"chosen", good}, {"rejected", rejected}}};
}

absl::Status ForEachRecord(
    const std::string& path,
    absl::FunctionRef<absl::Status(const Json& record, int64_t number)> each) {
  TEMPER_ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  if (text.starts_with("\x1f\x8b")) {
    absl::StatusOr<std::string> plain = eval::Inflate(text, eval::Wrapping::kGzip, kInflate);
    if (!plain.ok()) {
      return absl::Status(plain.status().code(),
                          absl::StrCat(path, ": ", std::string(plain.status().message())));
    }
    text = *std::move(plain);
  }
  int64_t line = 0, number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view bytes = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    const std::string place = absl::StrCat(path, ":", ++line);
    if (bytes.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    TEMPER_ASSIGN_OR_RETURN(const Json record, ParseOrderedJson(bytes, place));
    const absl::Status status = record.is_object()
                                    ? each(record, number++)
                                    : absl::InvalidArgumentError("expected an object {...}");
    if (!status.ok()) {
      return absl::Status(status.code(), absl::StrCat(place, ": ", std::string(status.message())));
    }
  }
  if (number > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, ": holds no records"));
}

absl::StatusOr<std::string> FindTable(const std::string& folder, const std::string& table,
                                      const std::string& split) {
  std::vector<std::string> names;
  for (const char* ending : {".jsonl.gz", ".jsonl"}) {
    names.push_back(JoinPath(JoinPath(folder, table), absl::StrCat(split, ending)));
    if (split == "train") names.push_back(JoinPath(folder, absl::StrCat(table, ending)));
  }
  for (const std::string& name : names) {
    if (Exists(name)) return name;
  }
  return absl::NotFoundError(absl::StrCat("no table \"", table, "\" (", split, "): looked for ",
                                          absl::StrJoin(names, ", ")));
}

}  // namespace temper::recipe
