// Cuts the text at its tags and reads what stands between them as JSON.
#include "reward/json/tool_call_reader.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "reward/json/json_schema_verifier.h"

namespace temper::reward {
namespace {

using Kind = JsonValue::Kind;

constexpr size_t kCallsMax = 1000;
constexpr JsonLimits kLimits;

struct Tags {
  std::string_view open;
  std::string_view close;
};
constexpr Tags kHermes = {"<tool_call>", "</tool_call>"};
constexpr Tags kNemotron = {"<TOOLCALL>", "</TOOLCALL>"};

bool Holds(std::string_view text, const Tags& tags) {
  return text.find(tags.open) != text.npos || text.find(tags.close) != text.npos;
}

absl::Status Wrong(const std::string& place, const std::string& problem) {
  return absl::InvalidArgumentError(absl::StrCat(place, ": ", problem));
}

absl::Status AddCalls(std::string_view json, std::vector<ToolCall>& calls) {
  const std::string place = absl::StrCat("call ", calls.size() + 1);
  TEMPER_ASSIGN_OR_RETURN(const JsonValue read, ParseJsonAt(json, kLimits, place));
  if (read.kind != Kind::kArray) {
    TEMPER_ASSIGN_OR_RETURN(ToolCall call, ReadToolCall(read, place));
    calls.push_back(std::move(call));
  }
  for (const JsonValue& item : read.items) {
    TEMPER_ASSIGN_OR_RETURN(ToolCall call,
                            ReadToolCall(item, absl::StrCat("call ", calls.size() + 1)));
    calls.push_back(std::move(call));
    if (calls.size() > kCallsMax) break;
  }
  if (calls.size() <= kCallsMax) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("more than ", kCallsMax, " calls"));
}

absl::StatusOr<std::vector<ToolCall>> BetweenTags(std::string_view text, const Tags& tags) {
  std::vector<ToolCall> calls;
  while (true) {
    const size_t open = text.find(tags.open);
    const size_t stray = text.substr(0, open).find(tags.close);
    if (stray != text.npos) return Wrong(std::string(tags.close), "closes nothing");
    if (open == text.npos) return calls;
    text.remove_prefix(open + tags.open.size());
    const size_t close = text.find(tags.close);
    if (close == text.npos) return Wrong(std::string(tags.open), "is never closed");
    TEMPER_RETURN_IF_ERROR(AddCalls(text.substr(0, close), calls));
    text.remove_prefix(close + tags.close.size());
  }
}

absl::StatusOr<std::vector<ToolCall>> WholeText(std::string_view text) {
  const std::string_view fenced = FencedText(text);
  std::vector<ToolCall> calls;
  TEMPER_RETURN_IF_ERROR(AddCalls(fenced.data() != nullptr ? fenced : text, calls));
  return calls;
}

// JSON that is meant to be calls: it starts as a list or an object does.
bool LooksLikeJson(std::string_view text) {
  const std::string_view fenced = FencedText(text);
  if (fenced.data() != nullptr) text = fenced;
  for (const char c : text) {
    if (!absl::ascii_isspace(static_cast<unsigned char>(c))) return c == '[' || c == '{';
  }
  return false;
}

}  // namespace

absl::StatusOr<ToolCall> ReadToolCall(const JsonValue& call, const std::string& place) {
  const JsonValue* at = &call;
  if (const JsonValue* function = call.Find("function")) at = function;
  if (at->kind != Kind::kObject) {
    return Wrong(place, absl::StrCat("found ", Shown(*at), ", expected an object with \"name\""));
  }
  const JsonValue* name = at->Find("name");
  if (name == nullptr || name->kind != Kind::kString || name->text.empty()) {
    return Wrong(place, "has no \"name\"");
  }
  ToolCall read{.name = name->text, .arguments = {.kind = Kind::kObject}};
  const JsonValue* arguments = at->Find("arguments");
  if (arguments == nullptr) arguments = at->Find("parameters");
  if (arguments == nullptr || arguments->kind == Kind::kNull) return read;
  if (arguments->kind == Kind::kString) {
    TEMPER_ASSIGN_OR_RETURN(read.arguments,
                            ParseJsonAt(arguments->text, kLimits, place + ".arguments"));
  } else {
    read.arguments = *arguments;
  }
  if (read.arguments.kind == Kind::kObject) return read;
  return Wrong(place + ".arguments",
               absl::StrCat("found ", Shown(read.arguments), ", expected an object"));
}

absl::StatusOr<std::vector<ToolCall>> ReadToolCalls(std::string_view text, ToolCallFormat format) {
  switch (format) {
    case ToolCallFormat::kHermes:
      return BetweenTags(text, kHermes);
    case ToolCallFormat::kNemotron:
      return BetweenTags(text, kNemotron);
    case ToolCallFormat::kJson:
      return WholeText(text);
    case ToolCallFormat::kAuto:
      break;
  }
  if (Holds(text, kHermes)) return BetweenTags(text, kHermes);
  if (Holds(text, kNemotron)) return BetweenTags(text, kNemotron);
  if (LooksLikeJson(text)) return WholeText(text);
  return std::vector<ToolCall>();
}

}  // namespace temper::reward
