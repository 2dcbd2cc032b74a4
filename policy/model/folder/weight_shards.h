// The safetensors files of one model folder, opened together and held to their index.
//
// Immutable after opening; any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "policy/model/folder/safetensors.h"

namespace temper::model {

inline constexpr char kWeightsFile[] = "model.safetensors";
inline constexpr char kIndexFile[] = "model.safetensors.index.json";

// Tensor names with the file that holds each, from the text of an index. Only names of files in the
// same folder are accepted. `place` names the index in messages.
absl::StatusOr<std::map<std::string, std::string>> ParseShardIndex(std::string_view text,
                                                                   std::string_view place);

// One message for all that is wrong: "<place>: 3 tensor(s) <words>: a; b; c", cut after fifty.
absl::Status TensorProblems(std::string_view place, std::string_view words,
                            std::vector<std::string> problems);

class WeightShards {
 public:
  // Opens model.safetensors, or else every file of model.safetensors.index.json. Refused: a tensor
  // that is not in the file where the index says, or that the index does not list; a file that is a
  // symbolic link out of the folder (but for the ../../blobs of the Hugging Face cache).
  static absl::StatusOr<WeightShards> Open(const std::string& folder);

  const std::string& folder() const { return folder_; }
  const std::vector<SafetensorsFile>& files() const { return files_; }  // in the order of names
  bool indexed() const { return indexed_; }

 private:
  WeightShards(std::string folder, bool indexed) : folder_(std::move(folder)), indexed_(indexed) {}

  std::string folder_;
  bool indexed_ = false;
  std::vector<SafetensorsFile> files_;
};

}  // namespace temper::model
