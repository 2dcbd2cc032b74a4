// Appends lines under a lock; looks twice at what it finds.
#include "orchestrator/eval/sample_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "orchestrator/eval/record.h"

namespace temper::eval {
namespace {

using json = nlohmann::ordered_json;

// A kept text of JSON as a value again.
json Value(const std::string& text) { return json::parse(text, nullptr, false); }

absl::Status CheckSettings(const std::string& path, const json& kept, const json& now) {
  for (const json* side : {&now, &kept}) {
    for (const auto& [key, value] : side->items()) {
      const json before = kept.value(key, json()), after = now.value(key, json());
      if (before == after) continue;
      return absl::FailedPreconditionError(
          absl::StrCat(path, ": \"", key, "\" was ", Dump(before), " and is now ", Dump(after),
                       "; another evaluation needs another --out"));
    }
  }
  return absl::OkStatus();
}

absl::Status KeepSettings(const std::string& folder, const json& settings,
                          const std::string& tasks_jsonl) {
  const std::string path = JoinPath(folder, "settings.json");
  if (Exists(path)) {
    TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    TEMPER_ASSIGN_OR_RETURN(const json kept, ParseOrderedJson(text, path));
    if (!kept.is_object()) return absl::DataLossError(path + ": is no JSON object");
    TEMPER_RETURN_IF_ERROR(CheckSettings(path, kept, settings));
  } else if (Exists(JoinPath(folder, "samples.jsonl"))) {
    return absl::FailedPreconditionError(
        absl::StrCat(folder,
                     ": has samples.jsonl but no settings.json: it is no folder of "
                     "`temper eval`; choose another --out"));
  } else {
    TEMPER_RETURN_IF_ERROR(WriteFileAtomically(
        path, settings.dump(2, ' ', false, json::error_handler_t::replace) + "\n"));
  }
  return WriteFileAtomically(JoinPath(folder, "tasks.jsonl"), tasks_jsonl);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SampleStore>> SampleStore::Open(const std::string& folder,
                                                               const json& settings,
                                                               const std::string& tasks_jsonl) {
  TEMPER_RETURN_IF_ERROR(MakeDirectories(folder));
  TEMPER_RETURN_IF_ERROR(KeepSettings(folder, settings, tasks_jsonl));
  std::string path = JoinPath(folder, "samples.jsonl");
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) return ErrnoStatus(path, "opening");
  std::unique_ptr<SampleStore> store(new SampleStore(std::move(path), file));
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(folder, ": another `temper eval` is at work there"));
  }
  TEMPER_RETURN_IF_ERROR(store->Load());
  return store;
}

SampleStore::~SampleStore() { close(file_); }

absl::Status SampleStore::Load() {
  TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(path_));
  const size_t whole = text.rfind('\n') + 1;  // 0 when there is no line end
  if (whole < text.size() && ftruncate(file_, static_cast<off_t>(whole)) != 0) {
    return ErrnoStatus(path_, "dropping the torn last line");
  }
  std::map<std::pair<std::string, int>, size_t> places;
  std::string_view rest = std::string_view(text).substr(0, whole);
  for (int number = 1; !rest.empty(); ++number) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    TEMPER_ASSIGN_OR_RETURN(Sample sample, ParseSample(line, absl::StrCat(path_, ":", number)));
    const auto [place, is_new] =
        places.emplace(std::make_pair(sample.task, sample.index), found_.size());
    if (is_new) {
      found_.push_back(std::move(sample));
    } else if (!found_[place->second].done()) {
      found_[place->second] = std::move(sample);
    }
  }
  return absl::OkStatus();
}

absl::Status SampleStore::Append(const Sample& sample) {
  const std::string line = ToLine(sample) + "\n";
  for (size_t at = 0; at < line.size();) {
    const ssize_t done = write(file_, line.data() + at, line.size() - at);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return ErrnoStatus(path_, "writing");
    at += static_cast<size_t>(done);
  }
  return absl::OkStatus();
}

absl::Status SampleStore::Sync() {
  return fsync(file_) == 0 ? absl::OkStatus() : ErrnoStatus(path_, "syncing");
}

std::string ToLine(const Sample& sample) {
  json line = {{"task", sample.task}, {"sample", sample.index}};
  if (sample.score.has_value()) {
    line["verdict"] = sample.verdict;
    line["score"] = *sample.score;
    line["reason"] = sample.reason;
  }
  if (!sample.internal_error.empty()) line["internal_error"] = sample.internal_error;
  if (!sample.invalid.empty()) line["invalid"] = sample.invalid;
  if (sample.answer.has_value()) line["answer"] = *sample.answer;
  if (!sample.details_json.empty()) line["details"] = Value(sample.details_json);
  if (!sample.loose_json.empty()) line["loose"] = Value(sample.loose_json);
  line["finish_reason"] = sample.finish_reason;
  line["tokens"] = sample.tokens;
  line["response"] = sample.response;
  if (!sample.reasoning.empty()) line["reasoning"] = sample.reasoning;
  return Dump(line);
}

absl::StatusOr<Sample> ParseSample(std::string_view text, const std::string& place) {
  const absl::StatusOr<json> parsed = ParseOrderedJson(text, place);
  const absl::Status damaged = absl::DataLossError(
      absl::StrCat(place, ": is no sample that `temper eval` wrote; mend or remove the line"));
  if (!parsed.ok() || !parsed->is_object()) return damaged;
  const json& line = *parsed;
  const auto text_of = [&line](const char* key) -> std::string {
    const auto found = line.find(key);
    return found != line.end() && found->is_string() ? found->get<std::string>() : "";
  };
  const auto whole = [&line](const char* key) -> std::optional<int64_t> {
    const auto found = line.find(key);
    if (found == line.end() || !found->is_number_unsigned()) return std::nullopt;
    return found->get<int64_t>();
  };
  const std::optional<int64_t> index = whole("sample"), tokens = whole("tokens");
  if (!line.contains("task") || !line["task"].is_string() || !index.has_value() ||
      *index > INT32_MAX || !tokens.has_value()) {
    return damaged;
  }
  Sample sample{.task = text_of("task"),
                .index = static_cast<int>(*index),
                .response = text_of("response"),
                .reasoning = text_of("reasoning"),
                .finish_reason = text_of("finish_reason"),
                .tokens = *tokens};
  if (const auto score = line.find("score"); score != line.end()) {
    if (!score->is_number()) return damaged;
    sample.score = score->get<double>();
  }
  sample.internal_error = text_of("internal_error");
  sample.invalid = text_of("invalid");
  if (!sample.done() && sample.internal_error.empty()) return damaged;
  sample.verdict = text_of("verdict");
  sample.reason = text_of("reason");
  if (line.contains("details")) sample.details_json = Dump(line["details"]);
  if (line.contains("loose")) sample.loose_json = Dump(line["loose"]);
  if (line.contains("answer")) sample.answer = text_of("answer");
  return sample;
}

}  // namespace temper::eval
