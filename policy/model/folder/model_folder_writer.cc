// Fills a folder beside the place where it will stand, then renames it.
#include "policy/model/folder/model_folder_writer.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "policy/model/folder/config_text.h"
#include "policy/model/folder/number_formats.h"
#include "policy/model/folder/safetensors_writer.h"

namespace temper::model {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int64_t kSlabFloats = 1 << 20;

constexpr std::array<const char*, 9> kCarried = {"tokenizer.json",
                                                 "tokenizer_config.json",
                                                 "special_tokens_map.json",
                                                 "generation_config.json",
                                                 "chat_template.jinja",
                                                 "added_tokens.json",
                                                 "vocab.json",
                                                 "merges.txt",
                                                 "tokenizer.model"};

absl::Status CarryFiles(const std::string& source, bool with_code, const std::string& folder) {
  std::vector<std::string> names(kCarried.begin(), kCarried.end());
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(source, error)) {
    if (with_code && entry.path().extension() == ".py") {
      names.push_back(entry.path().filename().string());
    }
  }
  for (const std::string& name : names) {
    if (!Exists(JoinPath(source, name))) continue;
    TEMPER_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(JoinPath(source, name)));
    TEMPER_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, name), bytes));
  }
  return absl::OkStatus();
}

std::string ConfigFor(const std::string& json, SaveDtype dtype, bool says_dtype) {
  std::string text = WithoutMember(json, "quantization_config");
  if (!says_dtype || dtype == SaveDtype::kSource) return text;
  const char* name = dtype == SaveDtype::kFloat32 ? "\"float32\"" : "\"bfloat16\"";
  for (const char* key : {"torch_dtype", "dtype"}) text = WithMemberSet(text, key, name);
  return text;
}

// Writes the tensors of one file through two buffers of a slab each.
class FileOfTensors {
 public:
  FileOfTensors(SafetensorsWriter& writer, std::string path)
      : writer_(writer), path_(std::move(path)) {}

  // The rows of one of the tensor's parts, in slabs.
  absl::Status Append(const SavedTensor& tensor, const ParameterSpec& spec, size_t i,
                      TensorReader read) {
    const int64_t cols = spec.shape.empty() ? 1 : spec.shape.back();
    const auto rows_of = [&](int64_t first, kernels::View<float> values) {
      return read(i, first, values);
    };
    return AppendRows(tensor, cols == 0 ? 0 : spec.size / cols, cols, rows_of);
  }

  absl::Status AppendCopy(const SavedTensor& tensor) {
    const StoredTensor& stored = *tensor.copied;
    if (tensor.dtype != stored.Format()) {
      return AppendRows(tensor, stored.rows(), stored.cols(),
                        [&](int64_t first, kernels::View<float> values) {
                          return stored.ReadRows(first, values);
                        });
    }
    const int64_t step = Step(stored.cols());
    for (int64_t first = 0; first < stored.rows(); first += step) {
      const int64_t rows = std::min(step, stored.rows() - first);
      TEMPER_ASSIGN_OR_RETURN(const auto bytes, stored.LoadRows(first, rows));
      TEMPER_RETURN_IF_ERROR(writer_.Append(bytes));
      stored.Release(first, rows);
    }
    return absl::OkStatus();
  }

 private:
  using RowsReader = absl::FunctionRef<absl::Status(int64_t, kernels::View<float>)>;

  static int64_t Step(int64_t cols) {
    return std::max<int64_t>(1, kSlabFloats / std::max<int64_t>(1, cols));
  }

  absl::Status AppendRows(const SavedTensor& tensor, int64_t all, int64_t cols, RowsReader read) {
    const int64_t step = Step(cols), width = *BytesOfDtype(tensor.dtype);
    for (int64_t first = 0; first < all; first += step) {
      const int64_t rows = std::min(step, all - first);
      floats_.resize(rows * cols);
      bytes_.resize(rows * cols * width);
      TEMPER_RETURN_IF_ERROR(read(first, {floats_.data(), rows, cols}));
      const int64_t bad = NarrowTo(tensor.dtype, floats_, bytes_.data());
      if (bad >= 0 && tensor.dtype != "F32") {
        return absl::InvalidArgumentError(absl::StrCat(
            path_, ": tensor \"", tensor.name, "\" in row ", first + bad / cols, ", column ",
            bad % cols, ": found ", floats_[bad], ", which ", tensor.dtype, " cannot hold"));
      }
      TEMPER_RETURN_IF_ERROR(writer_.Append(bytes_));
    }
    return absl::OkStatus();
  }

  SafetensorsWriter& writer_;
  const std::string path_;
  std::vector<float> floats_;
  std::vector<std::byte> bytes_;
};

absl::Status WriteFile(const std::string& path, const SavedFile& file,
                       std::span<const ParameterSpec> specs, TensorReader read) {
  std::vector<SafetensorsWriter::Tensor> headers;
  for (const SavedTensor& tensor : file.tensors) {
    headers.push_back({.name = tensor.name, .dtype = tensor.dtype, .shape = tensor.shape});
  }
  TEMPER_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                          SafetensorsWriter::Create(path, file.metadata, headers));
  FileOfTensors tensors(writer, path);
  for (const SavedTensor& tensor : file.tensors) {
    if (tensor.specs.empty()) TEMPER_RETURN_IF_ERROR(tensors.AppendCopy(tensor));
    for (const size_t i : tensor.specs) {
      TEMPER_RETURN_IF_ERROR(tensors.Append(tensor, specs[i], i, read));
    }
  }
  return writer.Finish();
}

// The index of the source keeps what else its metadata says.
absl::Status WriteIndex(const std::string& folder, const SavePlan& plan,
                        const std::string& source_index) {
  Json index = {{"metadata", Json::object()}, {"weight_map", Json::object()}};
  if (!source_index.empty()) {
    TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(source_index));
    TEMPER_ASSIGN_OR_RETURN(const Json before, ParseJson(text, source_index));
    const Json metadata = before.value("metadata", Json());
    if (metadata.is_object()) index["metadata"] = metadata;
  }
  int64_t total = 0;
  for (const SavedFile& file : plan.files) {
    for (const SavedTensor& tensor : file.tensors) {
      index["weight_map"][tensor.name] = file.name;
      int64_t bytes = *BytesOfDtype(tensor.dtype);
      for (const int64_t extent : tensor.shape) bytes *= extent;
      total += bytes;
    }
  }
  index["metadata"]["total_size"] = total;
  return WriteFileAtomically(JoinPath(folder, kIndexFile), index.dump(2) + "\n");
}

absl::Status Fill(const std::string& folder, const FolderForm& form, const std::string& config_json,
                  std::span<const ParameterSpec> specs, TensorReader read) {
  std::optional<WeightSource> source;
  if (form.like_source) {
    TEMPER_ASSIGN_OR_RETURN(source, WeightSource::Open(form.source, specs));
  }
  const SavePlan plan = source.has_value() ? PlanLikeSource(*source, specs, form.dtype)
                                           : PlanOfLayout(specs, form.dtype, form.file_bytes_max);
  // A checkpoint's config.json stays what it was, whatever it says of the dtype.
  const bool says_dtype = form.like_source || form.dtype == SaveDtype::kBfloat16;
  TEMPER_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, "config.json"),
                                             ConfigFor(config_json, form.dtype, says_dtype)));
  if (!form.source.empty()) {
    TEMPER_RETURN_IF_ERROR(CarryFiles(form.source, HasMember(config_json, "auto_map"), folder));
  }
  for (const SavedFile& file : plan.files) {
    TEMPER_RETURN_IF_ERROR(WriteFile(JoinPath(folder, file.name), file, specs, read));
  }
  if (plan.indexed) {
    const std::string index = source.has_value() ? JoinPath(form.source, kIndexFile) : "";
    TEMPER_RETURN_IF_ERROR(WriteIndex(folder, plan, index));
  }
  if (plan.dequantised > 0) {
    log::Info("quantised weights are written dequantised, without scales and quantization_config",
              {{"source", form.source}, {"tensors", plan.dequantised}});
  }
  return SyncDirectory(folder);
}

}  // namespace

absl::Status WriteModelFolder(const std::string& path, const FolderForm& form,
                              const std::string& config_json, std::span<const ParameterSpec> specs,
                              TensorReader read) {
  std::error_code error;
  std::string target = fs::absolute(path, error).lexically_normal().string();
  while (target.size() > 1 && target.ends_with('/')) target.pop_back();
  if (Exists(target) && !(fs::is_directory(target, error) && fs::is_empty(target, error))) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, ": stands there already; expected a new or an empty folder"));
  }
  TEMPER_RETURN_IF_ERROR(MakeDirectories(Dirname(target)));
  const std::string aside = absl::StrCat(target, ".tmp-", getpid());
  TEMPER_RETURN_IF_ERROR(RemoveAll(aside));
  auto remove_aside = absl::MakeCleanup([&aside] { RemoveAll(aside).IgnoreError(); });
  TEMPER_RETURN_IF_ERROR(MakeDirectories(aside));
  TEMPER_RETURN_IF_ERROR(Fill(aside, form, config_json, specs, read));
  if (std::rename(aside.c_str(), target.c_str()) != 0) {
    return ErrnoStatus(path, "cannot rename to");
  }
  std::move(remove_aside).Cancel();
  return SyncDirectory(Dirname(target));
}

absl::Status WriteModelFolder(const std::string& path, const std::string& source,
                              const ModelConfig& config, const ParameterLayout& layout,
                              std::span<const float> values) {
  TEMPER_CHECK(static_cast<int64_t>(values.size()) == layout.size());
  const auto read = [&](size_t i, int64_t first, kernels::View<float> rows) {
    const float* from = values.data() + layout.specs()[i].offset + first * rows.cols;
    std::copy_n(from, rows.rows * rows.cols, rows.data);
    return absl::OkStatus();
  };
  return WriteModelFolder(path, {.source = source}, config.json, layout.specs(), read);
}

}  // namespace temper::model
