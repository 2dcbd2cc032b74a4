// The folder in which an evaluation keeps what it has, so that it can go on after any kill.
//
//   settings.json  what was asked; a run again must ask the same
//   tasks.jsonl    every task as it was asked, without its tests
//   samples.jsonl  a line for each sample, in the order in which they were scored
//
// A line is written whole before the next: a kill costs the samples under way, and a torn last line
// is dropped. One process at a time; used on one thread.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "orchestrator/eval/sample.h"

namespace temper::eval {

class SampleStore {
 public:
  // Makes the folder, or opens it again. FAILED_PRECONDITION: it was made with other settings (the
  // first that differs is named), or another process has it open. DATA_LOSS: a line is damaged.
  static absl::StatusOr<std::unique_ptr<SampleStore>> Open(const std::string& folder,
                                                           const nlohmann::ordered_json& settings,
                                                           const std::string& tasks_jsonl);
  ~SampleStore();

  // What was found, one for each (task, index): the one that is done, else the last one. Once.
  std::vector<Sample> TakeFound() { return std::move(found_); }

  absl::Status Append(const Sample& sample);
  // Everything is on the disk.
  absl::Status Sync();

 private:
  SampleStore(std::string path, int file) : path_(std::move(path)), file_(file) {}
  absl::Status Load();

  const std::string path_;
  const int file_;
  std::vector<Sample> found_;
};

// A sample as a line, without its end, and back.
std::string ToLine(const Sample& sample);
absl::StatusOr<Sample> ParseSample(std::string_view line, const std::string& place);

}  // namespace temper::eval
