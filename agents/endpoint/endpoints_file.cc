// Each kind takes its own keys; everything else is refused.
#include "agents/endpoint/endpoints_file.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agents/endpoint/json_fields.h"
#include "base/file.h"
#include "base/http_rules.h"
#include "base/json_text.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

using nlohmann::ordered_json;

constexpr std::array<std::pair<const char*, EndpointKind>, 7> kKinds = {{
    {"openai", EndpointKind::kOpenAi},
    {"reward_nim", EndpointKind::kRewardNim},
    {"reward_pooling", EndpointKind::kRewardPooling},
    {"reward_classify", EndpointKind::kRewardClassify},
    {"reward_score", EndpointKind::kRewardScore},
    {"rollout", EndpointKind::kRollout},
    {"fake", EndpointKind::kFake},
}};

bool IsHttp(EndpointKind kind) {
  return kind != EndpointKind::kRollout && kind != EndpointKind::kFake;
}

// Ours to set, or a way to smuggle a second request in.
bool HeaderIsFree(const std::string& name) {
  const std::string lower = absl::AsciiStrToLower(name);
  const bool token = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_';
  });
  return token && lower != "host" && lower != "content-length" && lower != "transfer-encoding" &&
         lower != "content-type" && lower != "connection" && lower != "expect" &&
         lower != "idempotency-key" && lower != "accept-encoding";
}

bool HeaderValueIsPlain(const std::string& value) {
  return std::all_of(value.begin(), value.end(),
                     [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
}

std::map<std::string, std::string> ReadHeaders(JsonFields& fields, std::string_view key) {
  std::map<std::string, std::string> headers;
  const ordered_json* const object = fields.Find(key);
  if (object == nullptr) return headers;
  if (!object->is_object()) {
    fields.Refuse(key, "must be an object of header names and texts");
    return headers;
  }
  for (const auto& entry : object->items()) {
    const std::string& name = entry.key();
    if (!HeaderIsFree(name)) {
      fields.Refuse(key, absl::StrCat("\"", name, "\" is no header that may be set here"));
    } else if (!entry.value().is_string() ||
               !HeaderValueIsPlain(entry.value().get<std::string>())) {
      fields.Refuse(key, absl::StrCat("\"", name, "\" must be a text without control characters"));
    } else {
      headers[name] = entry.value().get<std::string>();
    }
  }
  if (headers.contains("Authorization") || headers.contains("authorization")) {
    fields.Refuse(key, "a key belongs in the environment: use \"key_env\"");
  }
  return headers;
}

absl::Duration ReadSeconds(JsonFields& fields, std::string_view key, absl::Duration otherwise) {
  return absl::Seconds(fields.Number(key, absl::ToDoubleSeconds(otherwise), 0.001, 86400));
}

void ReadTimeouts(JsonFields& fields, EndpointTimeouts& timeouts) {
  const ordered_json* const object = fields.Find("timeouts");
  if (object == nullptr) return;
  JsonFields inner(*object, fields.PathOf("timeouts"));
  timeouts.connect = ReadSeconds(inner, "connect", timeouts.connect);
  timeouts.first_byte = ReadSeconds(inner, "first_byte", timeouts.first_byte);
  timeouts.idle = ReadSeconds(inner, "idle", timeouts.idle);
  timeouts.total = ReadSeconds(inner, "total", timeouts.total);
  fields.Merge(inner.Finish());
}

void ReadRetry(JsonFields& fields, RetryPolicy::Options& retry) {
  const ordered_json* const object = fields.Find("retry");
  if (object == nullptr) return;
  JsonFields inner(*object, fields.PathOf("retry"));
  retry.attempts_max = static_cast<int>(inner.Whole("attempts", retry.attempts_max, 1, 100));
  retry.first_pause = ReadSeconds(inner, "first_pause", retry.first_pause);
  retry.pause_max = ReadSeconds(inner, "pause_max", retry.pause_max);
  retry.told_pause_max = ReadSeconds(inner, "told_pause_max", retry.told_pause_max);
  retry.budget = inner.Number("budget", retry.budget, 0, 10);
  retry.budget_floor = static_cast<int>(inner.Whole("budget_floor", retry.budget_floor, 0, 1000));
  fields.Merge(inner.Finish());
}

void ReadHttp(JsonFields& fields, EndpointSpec& spec) {
  spec.url = fields.RequiredText("url");
  if (const auto server = ParseHttpServer(spec.url); !server.ok() && !spec.url.empty()) {
    fields.Refuse("url", std::string(server.status().message()));
  }
  spec.key_env = fields.Text("key_env");
  spec.headers = ReadHeaders(fields, "headers");
  spec.headers_env = ReadHeaders(fields, "headers_env");
  spec.prompt_bytes_per_token = fields.Number("prompt_bytes_per_token", 1, 0.1, 100);
  ReadTimeouts(fields, spec.timeouts);
  if (spec.kind == EndpointKind::kOpenAi) {
    spec.return_token_ids = fields.Flag("return_token_ids", false);
  }
}

void ReadKind(JsonFields& fields, EndpointSpec& spec) {
  const std::string name = fields.RequiredText("kind");
  std::vector<std::string> known;
  for (const auto& [each, kind] : kKinds) {
    known.emplace_back(each);
    if (name != each) continue;
    spec.kind = kind;
    return;
  }
  fields.RefuseName("kind", name, known);
}

absl::StatusOr<EndpointSpec> ReadEndpoint(const std::string& name, const ordered_json& object,
                                          const std::string& path) {
  EndpointSpec spec;
  spec.name = name;
  JsonFields fields(object, path);
  ReadKind(fields, spec);
  spec.usd_per_million_in = fields.Number("usd_per_million_in", 0, 0, 1e9);
  spec.usd_per_million_out = fields.Number("usd_per_million_out", 0, 0, 1e9);
  // Each call to a rollout worker has a thread.
  const bool rollout = spec.kind == EndpointKind::kRollout;
  spec.concurrency = static_cast<int>(
      fields.Whole("concurrency", rollout ? 16 : spec.concurrency, 1, rollout ? 64 : 4096));
  spec.grow_after = static_cast<int>(fields.Whole("grow_after", spec.grow_after, 1, 1000000));
  spec.revision = fields.Text("revision");
  ReadRetry(fields, spec.retry);
  if (IsHttp(spec.kind)) {
    ReadHttp(fields, spec);
  } else {
    spec.reward = fields.Flag("reward", false);
    ReadTimeouts(fields, spec.timeouts);
  }
  if (spec.kind == EndpointKind::kRollout) {
    spec.address = fields.RequiredText("address");
    spec.run = fields.Text("run");
    if (fields.Find("version") != nullptr) spec.version = fields.Whole("version", 0, 0, INT64_MAX);
  }
  if (spec.kind == EndpointKind::kFake) spec.script = fields.Text("script");
  if (!IsReward(spec)) spec.n_max = fields.Whole("n_max", spec.n_max, 1, 1024);
  TEMPER_RETURN_IF_ERROR(fields.Finish());
  return spec;
}

bool NameIsPlain(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.';
  });
}

}  // namespace

bool IsReward(const EndpointSpec& spec) {
  return spec.reward || (IsHttp(spec.kind) && spec.kind != EndpointKind::kOpenAi);
}

const char* KindName(EndpointKind kind) {
  for (const auto& [name, each] : kKinds) {
    if (each == kind) return name;
  }
  return "";
}

absl::StatusOr<std::vector<EndpointSpec>> ParseEndpoints(std::string_view text,
                                                         const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const ordered_json file, ParseOrderedJson(text, path));
  JsonFields fields(file, path + ": ");
  const ordered_json* const object = fields.Find("endpoints");
  TEMPER_RETURN_IF_ERROR(fields.Finish());
  if (object == nullptr || !object->is_object() || object->empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": must hold {\"endpoints\": {NAME: {\"kind\": ...}}}"));
  }
  std::vector<EndpointSpec> specs;
  for (const auto& entry : object->items()) {
    const std::string place = absl::StrCat(path, ": endpoints.", entry.key());
    if (!NameIsPlain(entry.key())) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, ": a name is made of letters, digits, \"_\", \"-\" and \".\""));
    }
    TEMPER_ASSIGN_OR_RETURN(EndpointSpec spec, ReadEndpoint(entry.key(), entry.value(), place));
    specs.push_back(std::move(spec));
  }
  return specs;
}

absl::StatusOr<std::vector<EndpointSpec>> ReadEndpoints(const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  TEMPER_ASSIGN_OR_RETURN(std::vector<EndpointSpec> specs, ParseEndpoints(text, path));
  for (EndpointSpec& spec : specs) {
    if (!spec.script.empty()) spec.script = JoinPath(Dirname(path), spec.script);
  }
  return specs;
}

}  // namespace temper::agents
