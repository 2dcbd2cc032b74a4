// Reads JSON lines written by others, once to check and index them, then row by row.
#include "orchestrator/dataset.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/philox.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"

namespace temper::orchestrator {
namespace {

using json = nlohmann::ordered_json;  // templates show tools in the order of the file

constexpr int64_t kLineBytesMax = 64 << 20;
constexpr int64_t kThinkingBudgetMax = 1 << 24;

std::string Name(const v1::Dataset& source, const std::string& key) {
  const auto it = source.fields().find(key);
  return it == source.fields().end() ? key : it->second;
}

const json* Find(const json& line, const v1::Dataset& source, const std::string& key) {
  const auto it = line.find(Name(source, key));
  return it == line.end() || it->is_null() ? nullptr : &*it;
}

std::string AsText(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::Status Lacks(const json& line, const v1::Dataset& source, const std::string& key) {
  std::vector<std::string> found;
  for (const auto& [name, value] : line.items()) found.push_back(absl::StrCat("\"", name, "\""));
  std::string list;
  for (const std::string& name : found) absl::StrAppend(&list, list.empty() ? "" : ", ", name);
  return absl::InvalidArgumentError(absl::StrCat("lacks \"", Name(source, key), "\"; found ",
                                                 list.empty() ? "no keys" : list,
                                                 "; map other names with \"fields\""));
}

// "{prompt}" of the source's template replaced.
std::string Templated(const v1::Dataset& source, const std::string& prompt) {
  if (source.template_().empty()) return prompt;
  return absl::StrReplaceAll(source.template_(), {{"{prompt}", prompt}});
}

// The text of the last message of the user; null when it has none.
json* LastUserText(json& messages) {
  for (auto message = messages.rbegin(); message != messages.rend(); ++message) {
    if (message->value("role", json()) != "user") continue;
    const auto content = message->find("content");
    return content != message->end() && content->is_string() ? &*content : nullptr;
  }
  return nullptr;
}

absl::Status CheckMessages(const json& messages, const std::string& name) {
  if (!messages.is_array() || messages.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\" is not a list of at least one message"));
  }
  for (const json& message : messages) {
    if (!message.is_object() || !message.value("role", json()).is_string()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", name, "\" holds something else than {\"role\": ..., \"content\": ...}"));
    }
  }
  return absl::OkStatus();
}

// The conversation of the line: its messages, or its prompt as the user's where thinking is asked
// for. Null: a plain prompt, left in `row`.
absl::StatusOr<json> MessagesOf(const json& line, const v1::Dataset& source, Row& row) {
  if (const json* prompt = Find(line, source, "prompt")) {
    if (!prompt->is_string()) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", Name(source, "prompt"), "\" is not a string"));
    }
    row.prompt = Templated(source, prompt->get<std::string>());
    if (!line.contains("enable_thinking") && !line.contains("thinking_budget")) return json();
    return json::array({{{"role", "user"}, {"content", row.prompt}}});
  }
  const json* messages = Find(line, source, "messages");
  if (messages == nullptr) return Lacks(line, source, "prompt");
  TEMPER_RETURN_IF_ERROR(CheckMessages(*messages, Name(source, "messages")));
  json result = *messages;
  if (json* text = LastUserText(result)) {
    row.prompt = Templated(source, text->get<std::string>());
    *text = row.prompt;
  }
  return result;
}

// Fills in the prompt: its text, and the conversation that the workers render.
absl::Status AddPrompt(const json& line, const v1::Dataset& source, Row& row) {
  TEMPER_ASSIGN_OR_RETURN(json messages, MessagesOf(line, source, row));
  if (messages.is_null()) return absl::OkStatus();
  json chat = {{"messages", std::move(messages)}};
  if (const json* tools = Find(line, source, "tools")) chat["tools"] = *tools;
  if (const auto thinking = line.find("enable_thinking"); thinking != line.end()) {
    if (!thinking->is_boolean()) {
      return absl::InvalidArgumentError("\"enable_thinking\" is neither true nor false");
    }
    chat["enable_thinking"] = *thinking;
  }
  if (const auto budget = line.find("thinking_budget"); budget != line.end()) {
    if (!budget->is_number_unsigned() || *budget < 1 || *budget > kThinkingBudgetMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"thinking_budget\" is no whole number from 1 to ", kThinkingBudgetMax));
    }
    chat["thinking_budget"] = *budget;
  }
  row.chat_json = chat.dump(-1, ' ', false, json::error_handler_t::replace);
  return absl::OkStatus();
}

// The chosen response, those it was preferred to, and the margin where there is one.
absl::Status AddPair(const json& line, const v1::Dataset& source, RowKind kind, Row& row) {
  const json* chosen = Find(line, source, "chosen");
  if (chosen == nullptr) return Lacks(line, source, "chosen");
  row.chosen = AsText(*chosen);
  const json* rejected = Find(line, source, "rejected");
  if (rejected == nullptr) return Lacks(line, source, "rejected");
  for (const json& one : rejected->is_array() ? *rejected : json::array({*rejected})) {
    row.rejected.push_back(AsText(one));
  }
  if (row.rejected.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", Name(source, "rejected"), "\" is an empty list"));
  }
  const json* margin = Find(line, source, "margin");
  if (margin == nullptr) {
    return kind == RowKind::kPair ? absl::OkStatus() : Lacks(line, source, "margin");
  }
  if (!margin->is_number() || !(margin->get<double>() > 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", Name(source, "margin"), "\" is no number above 0"));
  }
  row.margin = margin->get<double>();
  return absl::OkStatus();
}

absl::StatusOr<Row> RowOf(const json& line, const v1::Dataset& source, RowKind kind, int number) {
  if (!line.is_object()) return absl::InvalidArgumentError("expected a JSON object");
  Row row;
  TEMPER_RETURN_IF_ERROR(AddPrompt(line, source, row));
  if (const json* answer = Find(line, source, "answer")) row.answer = AsText(*answer);
  if (const json* response = Find(line, source, "response")) row.response = AsText(*response);
  if (kind == RowKind::kProblem && Find(line, source, "answer") == nullptr) {
    return Lacks(line, source, "answer");
  }
  if (kind == RowKind::kExample && Find(line, source, "response") == nullptr) {
    return Lacks(line, source, "response");
  }
  if (kind == RowKind::kPair || kind == RowKind::kScaledPair) {
    TEMPER_RETURN_IF_ERROR(AddPair(line, source, kind, row));
  }
  if (const json* task = Find(line, source, "task")) row.task = AsText(*task);
  const json* id = Find(line, source, "id");
  row.id = id == nullptr ? absl::StrCat(number) : AsText(*id);
  json metadata = line;
  for (const char* key : {"prompt", "messages", "answer", "response", "id"}) {
    metadata.erase(Name(source, key));
  }
  // What the template was put around stays known to verifiers: programs continue the bare prompt.
  if (const json* bare = Find(line, source, "prompt");
      bare != nullptr && *bare != row.prompt && !metadata.contains("prompt")) {
    metadata["prompt"] = *bare;
  }
  if (!row.chat_json.empty()) {
    for (const char* key : {"tools", "enable_thinking"}) metadata.erase(key);
  }
  row.metadata_json = metadata.dump(-1, ' ', false, json::error_handler_t::replace);
  return row;
}

absl::StatusOr<Row> ParseRow(std::string_view text, const v1::Dataset& source, RowKind kind,
                             int number) {
  const std::string place = absl::StrCat(source.path(), ":", number);
  // A line is a document of its own: the parser's own line number would always be 1.
  absl::StatusOr<json> line = ParseOrderedJson(text, place);
  if (!line.ok()) return line.status();
  absl::StatusOr<Row> row = RowOf(*line, source, kind, number);
  if (row.ok()) return row;
  return absl::Status(row.status().code(),
                      absl::StrCat(place, ": ", std::string(row.status().message())));
}

}  // namespace

Dataset::Dataset(v1::Dataset source, RowKind kind, int file)
    : source_(std::move(source)), kind_(kind), file_(file) {}

Dataset::~Dataset() { close(file_); }

absl::StatusOr<std::unique_ptr<Dataset>> Dataset::Open(const v1::Dataset& source, RowKind kind,
                                                       int64_t limit) {
  TEMPER_ASSIGN_OR_RETURN(const MappedFile mapped, MappedFile::Open(source.path()));
  const int file = open(source.path().c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return ErrnoStatus(source.path(), "opening");
  std::unique_ptr<Dataset> dataset(new Dataset(source, kind, file));
  dataset->digest_ = Hex(Xxh3Digest(mapped.bytes()));
  const std::string_view text(reinterpret_cast<const char*>(mapped.bytes().data()),
                              mapped.bytes().size());
  TEMPER_RETURN_IF_ERROR(dataset->Index(text, limit));
  return dataset;
}

absl::Status Dataset::Index(std::string_view text, int64_t limit) {
  absl::flat_hash_set<std::string> ids;
  int number = 0;
  for (size_t begin = 0; begin < text.size() && (limit <= 0 || size() < limit);) {
    const size_t newline = text.find('\n', begin);
    const size_t end = newline == std::string_view::npos ? text.size() : newline;
    const std::string_view line = text.substr(begin, end - begin);
    ++number;
    const int64_t offset = static_cast<int64_t>(begin);
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (static_cast<int64_t>(line.size()) > kLineBytesMax) {
      return absl::InvalidArgumentError(absl::StrCat(source_.path(), ":", number, ": the line has ",
                                                     line.size(), " bytes, expected at most ",
                                                     kLineBytesMax));
    }
    TEMPER_ASSIGN_OR_RETURN(const Row row, ParseRow(line, source_, kind_, number));
    if (!ids.insert(row.id).second) {
      return absl::InvalidArgumentError(absl::StrCat(source_.path(), ":", number, ": id \"", row.id,
                                                     "\" stands in the file twice"));
    }
    if (!row.task.empty()) tasks_[row.task].push_back(size());
    lines_.push_back({offset, static_cast<int32_t>(line.size()), number, HashName(line)});
  }
  if (lines_.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(source_.path(), ": holds no lines"));
  }
  return absl::OkStatus();
}

const std::vector<int64_t>& RowSource::RowsOf(const std::string&) const {
  static const std::vector<int64_t> none;
  return none;
}

std::vector<std::string> Dataset::Tasks() const {
  std::vector<std::string> names;
  for (const auto& [task, rows] : tasks_) names.push_back(task);
  return names;
}

const std::vector<int64_t>& Dataset::RowsOf(const std::string& task) const {
  const auto found = tasks_.find(task);
  return found == tasks_.end() ? RowSource::RowsOf(task) : found->second;
}

absl::StatusOr<Row> Dataset::Read(int64_t index) const {
  TEMPER_CHECK(index >= 0 && index < size());
  const Line& line = lines_[static_cast<size_t>(index)];
  std::string text(static_cast<size_t>(line.bytes), '\0');
  for (size_t done = 0; done < text.size();) {
    const ssize_t got = pread(file_, text.data() + done, text.size() - done,
                              line.offset + static_cast<int64_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(source_.path(), "reading");
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  if (HashName(text) != line.hash) {
    return absl::DataLossError(
        absl::StrCat(source_.path(), ":", line.number, ": the line changed while the run used it"));
  }
  return ParseRow(text, source_, kind_, line.number);
}

}  // namespace temper::orchestrator
