// Model folders written byte by byte, so that readers and writers are not tested against
// themselves alone.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "nlohmann/json.hpp"
#include "policy/model/parameters.h"

namespace temper::model {

// A tensor as it stands in a file.
struct RawTensor {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};

template <class T>
std::string BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// `count` bfloat16 numbers around zero, a function of the seed.
inline std::vector<uint16_t> Brains(int64_t count, uint32_t seed) {
  std::vector<uint16_t> values(count);
  uint32_t state = seed * 2654435761u + 1;
  for (uint16_t& value : values) {
    state = state * 1664525 + 1013904223;
    // Sign, an exponent from 2^-15 to 2^0, seven bits of mantissa.
    value = static_cast<uint16_t>((state >> 31) << 15 | (112 + (state >> 20) % 16) << 7 |
                                  (state >> 24 & 0x7F));
  }
  return values;
}

inline RawTensor RawBrains(const std::string& name, const std::vector<int64_t>& shape,
                           uint32_t seed) {
  int64_t count = 1;
  for (const int64_t extent : shape) count *= extent;
  return {name, "BF16", shape, BytesOf(Brains(count, seed))};
}

inline std::string FileOf(std::string_view header, std::string_view values) {
  std::string bytes(8, '\0');
  const uint64_t size = header.size();
  std::memcpy(bytes.data(), &size, 8);
  return bytes + std::string(header) + std::string(values);
}

inline std::string RawFile(const std::vector<RawTensor>& tensors) {
  nlohmann::ordered_json header = {{"__metadata__", {{"format", "pt"}}}};
  std::string values;
  for (const RawTensor& tensor : tensors) {
    const size_t begin = values.size();
    values += tensor.bytes;
    header[tensor.name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, values.size()}}};
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  return FileOf(text, values);
}

// The shape and place of one tensor of a layout that only a test knows.
inline ParameterSpec SpecOf(const std::string& name, std::vector<int64_t> shape) {
  ParameterSpec spec{.name = name, .shape = std::move(shape)};
  spec.size = 1;
  for (const int64_t extent : spec.shape) spec.size *= extent;
  return spec;
}

// A folder of its own for each test, gone afterwards.
class RawFolderTest : public testing::Test {
 protected:
  RawFolderTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    root_ = std::filesystem::temp_directory_path() /
            (std::string(test->test_suite_name()) + "-" + std::to_string(getpid()));
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  ~RawFolderTest() override { std::filesystem::remove_all(root_); }

  std::string Path(const std::string& name) const { return (root_ / name).string(); }

  void Put(const std::string& name, std::string_view bytes) const {
    std::filesystem::create_directories((root_ / name).parent_path());
    ASSERT_TRUE(WriteFileAtomically(Path(name), bytes).ok());
  }
  // FOLDER/model.safetensors.
  void PutWhole(const std::string& folder, const std::vector<RawTensor>& tensors) const {
    Put(folder + "/model.safetensors", RawFile(tensors));
  }
  // Shards by file name, and their index.
  void PutShards(const std::string& folder,
                 const std::map<std::string, std::vector<RawTensor>>& shards) const {
    nlohmann::json map;
    for (const auto& [file, tensors] : shards) {
      Put(folder + "/" + file, RawFile(tensors));
      for (const RawTensor& tensor : tensors) map[tensor.name] = file;
    }
    PutIndex(folder, map);
  }
  void PutIndex(const std::string& folder, const nlohmann::json& weight_map) const {
    Put(folder + "/model.safetensors.index.json",
        nlohmann::json{{"metadata", {{"total_size", 0}}}, {"weight_map", weight_map}}.dump());
  }

  std::filesystem::path root_;
};

}  // namespace temper::model
