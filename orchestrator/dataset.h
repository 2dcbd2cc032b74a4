// Problems from a JSON-lines file: an index of byte offsets, the rows stay on disk.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::orchestrator {

struct Row {
  std::string id;         // the line's "id", or its number (from 1) as text
  std::string prompt;     // after the template; of a conversation: its last user text
  std::string chat_json;  // a conversation, for Prompt.chat_json; empty for a plain prompt
  std::string answer;     // numbers and other JSON as their text
  std::string response;   // of a worked example
  std::string chosen;     // of a pair
  std::vector<std::string> rejected;  // of a pair, each against the chosen one
  double margin = 0;                  // by how much the chosen one is better; 0: not said
  std::string metadata_json;          // the other keys, "{}" when none
  std::string task;  // chooses the parts of the rubric; empty where the line names none
};

class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual int64_t size() const = 0;
  // 0 <= index < size(). Fails only when the file went away or changed.
  virtual absl::StatusOr<Row> Read(int64_t index) const = 0;
  // The tasks that rows have, sorted, and the rows of one in the file's order.
  virtual std::vector<std::string> Tasks() const { return {}; }
  virtual const std::vector<int64_t>& RowsOf(const std::string& task) const;
};

// What every line must hold beside a prompt: nothing, an answer, a response, or a chosen and
// rejected responses (kScaledPair: and a margin).
enum class RowKind { kPrompt, kProblem, kExample, kPair, kScaledPair };

// Any thread may read.
class Dataset : public RowSource {
 public:
  // Reads the whole file once and checks every line: "<path>:<line>: <what is wrong>". Refuses an
  // empty file, repeated ids, lines without the keys of `kind`. limit > 0: the first lines only.
  static absl::StatusOr<std::unique_ptr<Dataset>> Open(const v1::Dataset& source, RowKind kind,
                                                       int64_t limit = 0);
  ~Dataset() override;

  int64_t size() const override { return static_cast<int64_t>(lines_.size()); }
  absl::StatusOr<Row> Read(int64_t index) const override;
  std::vector<std::string> Tasks() const override;
  const std::vector<int64_t>& RowsOf(const std::string& task) const override;
  // XXH3-128 of the file, hexadecimal.
  const std::string& digest() const { return digest_; }

 private:
  struct Line {
    int64_t offset;
    int32_t bytes;
    int32_t number;
    uint64_t hash;
  };
  Dataset(v1::Dataset source, RowKind kind, int file);
  absl::Status Index(std::string_view text, int64_t limit);

  const v1::Dataset source_;
  const RowKind kind_;
  const int file_;
  std::vector<Line> lines_;
  std::map<std::string, std::vector<int64_t>> tasks_;
  std::string digest_;
};

}  // namespace temper::orchestrator
