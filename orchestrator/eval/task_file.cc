// From bytes to lines to tasks.
#include "orchestrator/eval/task_file.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "orchestrator/dataset.h"
#include "orchestrator/eval/csv.h"
#include "orchestrator/eval/inflate.h"
#include "orchestrator/eval/record.h"

namespace temper::eval {
namespace {

using json = nlohmann::ordered_json;

absl::Status At(const std::string& place, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(place, ": ", std::string(status.message())));
}

// Makes tasks of lines, one after the other.
class Reader {
 public:
  Reader(const ReadOptions& options, TaskFile& file) : options_(options), file_(file) {}

  absl::Status Add(const json& line, const std::string& place, int number) {
    if (!line.is_object()) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, ": found ", line.type_name(), ", expected an object"));
    }
    if (file_.format == nullptr) {
      const absl::StatusOr<const TaskFormat*> found = FormatOfLine(line);
      if (!found.ok()) return At(place, found.status());
      file_.format = *found;
    }
    // Ours are read by those who read them for runs.
    if (file_.format->read == nullptr) return absl::OkStatus();
    Task task{.place = place};
    if (const absl::Status read = file_.format->read(line, options_.seed, task); !read.ok()) {
      return At(absl::StrCat(place, ": ", file_.format->name), read);
    }
    if (task.id.empty()) task.id = absl::StrCat(number);
    return Keep(std::move(task));
  }

  absl::Status Keep(Task task) {
    const auto [first, is_new] = ids_.emplace(task.id, task.place);
    if (!is_new) {
      return absl::InvalidArgumentError(absl::StrCat(
          task.place, ": id \"", task.id, "\" stands in the file before, at ", first->second));
    }
    file_.tasks.push_back(std::move(task));
    return absl::OkStatus();
  }

 private:
  const ReadOptions& options_;
  TaskFile& file_;
  absl::flat_hash_map<std::string, std::string> ids_;  // and where they stand
};

absl::Status ReadLines(std::string_view text, const std::string& path, Reader& reader) {
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string place = absl::StrCat(path, ":", number);
    TEMPER_ASSIGN_OR_RETURN(const json parsed, ParseOrderedJson(line, place));
    TEMPER_RETURN_IF_ERROR(reader.Add(parsed, place, number));
  }
  return absl::OkStatus();
}

// A JSON document that is a list of what would else be lines, as sanitized MBPP is.
absl::Status ReadList(std::string_view text, const std::string& path, Reader& reader) {
  TEMPER_ASSIGN_OR_RETURN(const json list, ParseOrderedJson(text, path));
  int number = 0;
  for (const json& line : list) {
    ++number;
    TEMPER_RETURN_IF_ERROR(reader.Add(line, absl::StrCat(path, "[", number - 1, "]"), number));
  }
  return absl::OkStatus();
}

absl::Status ReadTable(std::string_view text, const std::string& path, Reader& reader) {
  std::vector<std::string> header;
  int records = 0;
  std::string failed_at;
  const absl::Status read = ReadCsv(text, [&](int line, std::vector<std::string> fields) {
    failed_at = absl::StrCat(path, ":", line);
    if (header.empty()) {
      header = std::move(fields);
      return absl::OkStatus();
    }
    if (fields.size() != header.size()) {
      return absl::InvalidArgumentError(absl::StrCat(failed_at, ": found ", fields.size(),
                                                     " fields, expected ", header.size(),
                                                     " as in the first line"));
    }
    json row = json::object();
    for (size_t i = 0; i < header.size(); ++i) {
      if (!fields[i].empty()) row[header[i]] = std::move(fields[i]);
    }
    return reader.Add(row, failed_at, ++records);
  });
  if (read.ok() || absl::StartsWith(read.message(), path)) return read;
  return At(path, read);  // of the CSV itself
}

// Dataset lines of our own, by the reader that runs use.
absl::Status ReadOwn(const std::string& path, Reader& reader) {
  v1::Dataset source;
  source.set_path(path);
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<orchestrator::Dataset> dataset,
                          orchestrator::Dataset::Open(source, orchestrator::RowKind::kPrompt));
  for (int64_t i = 0; i < dataset->size(); ++i) {
    TEMPER_ASSIGN_OR_RETURN(orchestrator::Row row, dataset->Read(i));
    Task task{.id = std::move(row.id),
              .place = absl::StrCat(path, " (problem ", i + 1, ")"),
              .prompt = std::move(row.prompt),
              .chat_json = std::move(row.chat_json),
              .gold = std::move(row.answer),
              .metadata_json = std::move(row.metadata_json)};
    TEMPER_ASSIGN_OR_RETURN(const json metadata, ParseOrderedJson(task.metadata_json, task.place));
    const Record record(metadata);
    task.task = record.TextOrNothing({"task"});
    for (const char* axis : {"category", "task"}) {
      const std::string value = record.TextOrNothing({axis});
      if (!value.empty()) task.categories.emplace_back(axis, value);
    }
    TEMPER_RETURN_IF_ERROR(reader.Keep(std::move(task)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadText(const std::string& path, std::string& digest) {
  TEMPER_ASSIGN_OR_RETURN(std::string bytes, ReadFile(path));
  digest = Hex(Xxh3Digest(bytes));
  if (!absl::EndsWith(path, ".gz")) return bytes;
  absl::StatusOr<std::string> text = Inflate(bytes, Wrapping::kGzip, {});
  if (!text.ok()) return At(path, text.status());
  return text;
}

}  // namespace

absl::StatusOr<TaskFile> ReadTaskFile(const std::string& path, const ReadOptions& options) {
  TaskFile file;
  if (!options.format.empty()) {
    TEMPER_ASSIGN_OR_RETURN(file.format, FormatOf(options.format));
  }
  TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadText(path, file.digest));
  Reader reader(options, file);
  const bool table = absl::EndsWith(path, ".csv") || absl::EndsWith(path, ".csv.gz");
  const size_t begin = text.find_first_not_of(" \t\r\n");
  const bool list = begin != std::string::npos && text[begin] == '[';
  TEMPER_RETURN_IF_ERROR(table  ? ReadTable(text, path, reader)
                         : list ? ReadList(text, path, reader)
                                : ReadLines(text, path, reader));
  if (file.format != nullptr && file.format->read == nullptr) {
    if (table || list || absl::EndsWith(path, ".gz")) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": dataset lines of our own are read as JSON lines, uncompressed"));
    }
    TEMPER_RETURN_IF_ERROR(ReadOwn(path, reader));
  }
  if (file.tasks.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": holds no tasks"));
  }
  const auto limit = static_cast<size_t>(options.limit);
  if (options.limit > 0 && limit < file.tasks.size()) file.tasks.resize(limit);
  return file;
}

}  // namespace temper::eval
