// Published versions of a small model, as a learner on this host would leave them.
#pragma once

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/weights_fingerprint.h"
#include "policy/model/parameters.h"
#include "temper/v1/weights.pb.h"

namespace temper::rollout {

inline constexpr char kThisHost[] = "this-host";

inline std::string BytesOf(std::span<const float> values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

// A manifest of `values`; its file is written when `path` is not empty.
inline v1::WeightsManifest Publish(const model::ParameterLayout& layout,
                                   std::span<const float> values, int64_t version,
                                   const std::string& path) {
  v1::WeightsManifest manifest;
  manifest.set_version(version);
  manifest.set_shared_path(path);
  manifest.set_host_id(path.empty() ? "another-host" : kThisHost);
  manifest.set_bytes(static_cast<int64_t>(values.size_bytes()));
  for (const model::ParameterSpec& spec : layout.specs()) {
    v1::TensorDigest& tensor = *manifest.add_tensors();
    tensor.set_name(spec.name);
    tensor.mutable_shape()->Assign(spec.shape.begin(), spec.shape.end());
    tensor.set_offset(spec.offset * 4);
    tensor.set_bytes(spec.size * 4);
    tensor.set_digest(Xxh3Digest(std::as_bytes(values.subspan(spec.offset, spec.size))));
  }
  if (!path.empty()) {
    EXPECT_TRUE(WriteFileAtomically(path, BytesOf(values)).ok());
  }
  return manifest;
}

inline std::string TemporaryPath(std::string_view name) {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  return absl::StrCat(::testing::TempDir(), "/", test->name(), "-", std::string(name));
}

}  // namespace temper::rollout
