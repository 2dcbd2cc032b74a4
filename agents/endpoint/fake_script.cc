// Rules matched by RE2; everything drawn from digests.
#include "agents/endpoint/fake_script.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "agents/endpoint/fake_rule.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/philox.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

using nlohmann::ordered_json;

std::string ContentOf(const ordered_json& message) {
  const auto content = message.is_object() ? message.find("content") : message.end();
  if (!message.is_object() || content == message.end() || content->is_null()) return "";
  if (content->is_string()) return content->get<std::string>();
  return content->dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

struct Rendered {
  std::string prompt;  // "role: content" for each message
  std::string last;
};

Rendered Render(const ordered_json& messages) {
  Rendered rendered;
  for (const ordered_json& message : messages) {
    rendered.last = ContentOf(message);
    const auto role = message.is_object() ? message.find("role") : message.end();
    const bool named = message.is_object() && role != message.end() && role->is_string();
    absl::StrAppend(&rendered.prompt, named ? role->get_ref<const std::string&>() : "", ": ",
                    rendered.last, "\n");
  }
  return rendered;
}

// The first `max` words, as they stand.
std::string FirstWords(const std::string& text, int64_t max) {
  bool in_word = false;
  int64_t words = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool space = IsFakeSpace(text[i]);
    if (!space && !in_word && ++words > max) {
      size_t end = i;
      while (end > 0 && IsFakeSpace(text[end - 1])) --end;
      return text.substr(0, end);
    }
    in_word = !space;
  }
  return text;
}

FakeText Finished(std::string text, int64_t max_tokens) {
  FakeText made;
  made.text = FirstWords(text, max_tokens);
  made.finish_reason = made.text.size() < text.size() ? "length" : "stop";
  made.tokens = FakeScript::CountTokens(std::string_view(made.text));
  return made;
}

std::vector<std::pair<std::string, double>> YesAndNo(double yes) {
  yes = std::clamp(yes, 1e-6, 1 - 1e-6);
  std::vector<std::pair<std::string, double>> tokens = {{"Yes", std::log(yes)},
                                                        {"No", std::log1p(-yes)}};
  if (yes < 0.5) std::swap(tokens[0], tokens[1]);
  return tokens;
}

}  // namespace

FakeScript::FakeScript() = default;
FakeScript::~FakeScript() = default;

absl::StatusOr<std::shared_ptr<const FakeScript>> FakeScript::Read(const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return Parse(text, path);
}

absl::StatusOr<std::shared_ptr<const FakeScript>> FakeScript::Parse(std::string_view text,
                                                                    const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const ordered_json file, ParseOrderedJson(text, path));
  auto script = std::make_shared<FakeScript>();
  JsonFields fields(file, path + ": ");
  script->latency_ = ReadMilliseconds(fields, "latency_ms");
  script->jitter_ = ReadMilliseconds(fields, "latency_jitter_ms");
  if (const ordered_json* const rules = fields.Find("rules"); rules != nullptr) {
    if (!rules->is_array()) fields.Refuse("rules", "must be a list");
    for (size_t i = 0; rules->is_array() && i < rules->size(); ++i) {
      auto rule = ReadFakeRule((*rules)[i], absl::StrCat(path, ": rules[", i, "]"));
      if (rule.ok()) {
        script->rules_.push_back(*std::move(rule));
      } else {
        fields.Merge(rule.status());
      }
    }
  }
  TEMPER_RETURN_IF_ERROR(fields.Finish());
  script->digest_ = Sha256Hex(file.dump()).substr(0, 16);
  return script;
}

// `rule` may be null.
FakeText FakeScript::TextOf(const Rule* rule, const FakeQuestion& question,
                            const FakeTemplateValues& values) {
  const FakeTemplate* const reply = rule != nullptr && rule->reply ? &*rule->reply : nullptr;
  if (question.logprobs && ((rule != nullptr && rule->yes) || reply == nullptr)) {
    const FakeNumber number = rule != nullptr && rule->yes ? *rule->yes : FakeNumber();
    const auto tokens = YesAndNo(number.Value(values.last, values.hash));
    FakeText text = Finished(tokens.front().first, question.max_tokens);
    text.first_token = tokens;
    return text;
  }
  FakeText text = Finished(reply != nullptr ? reply->Fill(values) : DefaultFakeText(values.hash),
                           question.max_tokens);
  if (question.logprobs) {
    text.first_token = {{text.text.substr(0, text.text.find(' ')), std::log(0.9)}};
  }
  return text;
}

FakeReply FakeScript::Answer(const FakeQuestion& question, uint64_t seed) const {
  const Rendered rendered = Render(*question.messages);
  const std::string identity = Xxh3Digest(std::string(question.model) + '\0' + rendered.prompt);
  const Rule* rule = nullptr;
  FakeMatch match;
  for (const auto& each : rules_) {
    if (each->Matches(question.model, rendered.prompt, rendered.last, match)) {
      rule = each.get();
      break;
    }
  }
  FakeReply reply;
  reply.tokens_in = CountTokens(*question.messages);
  const absl::Duration jitter = rule != nullptr && rule->jitter ? *rule->jitter : jitter_;
  const uint64_t first = question.samples.empty() ? 0 : question.samples.front().first;
  reply.latency = (rule != nullptr && rule->latency ? *rule->latency : latency_) +
                  jitter * UniformAt(seed, HashName(identity), first);
  if (rule != nullptr) reply.fault = rule->fault, reply.retry_after_seconds = rule->retry_after;
  const FakeNumber by_digest;
  const uint64_t last_hash = HashName(rendered.last);
  reply.score =
      (rule != nullptr && rule->score ? *rule->score : by_digest).Value(rendered.last, last_hash);
  for (const auto& [stands_for, sample] : question.samples) {
    const uint64_t hash = HashName(absl::StrCat(identity, stands_for));
    FakeText text = TextOf(rule, question, {hash, sample, rendered.last, match.groups});
    if (reply.fault == FakeFault::kLength) {
      text = Finished(text.text, std::max<int64_t>(text.tokens / 2, 1));
      text.finish_reason = "length";
    }
    reply.texts.push_back(std::move(text));
  }
  return reply;
}

int64_t FakeScript::CountTokens(std::string_view text) {
  int64_t words = 0;
  bool in_word = false;
  for (const char c : text) {
    const bool space = IsFakeSpace(c);
    if (!space && !in_word) ++words;
    in_word = !space;
  }
  return words;
}

int64_t FakeScript::CountTokens(const ordered_json& messages) {
  int64_t words = 0;
  for (const ordered_json& message : messages)
    words += CountTokens(std::string_view(ContentOf(message)));
  return words;
}

}  // namespace temper::agents
