// Weights are believed only bit by bit, from a file and from a stream.
#include "rollout/weight_follower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "absl/time/clock.h"
#include "base/weights_fingerprint.h"
#include "kernels/digest.h"
#include "tests/fakes/fake_learner.h"
#include "tests/rollout/rollout_fixture.h"
#include "tests/rollout/weights_fixture.h"

namespace temper::rollout {
namespace {

using ::testing::HasSubstr;
using Fault = fakes::FakeLearner::Fault;

class WeightFollowerTest : public ::testing::Test {
 protected:
  absl::StatusOr<LoadedWeights> Load(const v1::WeightsManifest& manifest) {
    return WeightFollower(layout_, kThisHost, *device_)
        .Load(manifest, absl::Now() + absl::Seconds(10), [] { return false; });
  }
  void ExpectRefused(const v1::WeightsManifest& manifest, absl::StatusCode code,
                     const std::string& words) {
    const auto loaded = Load(manifest);
    EXPECT_EQ(loaded.status().code(), code) << loaded.status();
    EXPECT_THAT(std::string(loaded.status().message()), HasSubstr(words));
  }
  bool Holds(const LoadedWeights& loaded) const {
    const std::span<const float> floats = loaded.values->floats();
    return floats.size() == values_.size() &&
           std::memcmp(floats.data(), values_.data(), floats.size_bytes()) == 0;
  }

  const model::ModelConfig config_ = TinyConfig();
  const model::ParameterLayout layout_{config_};
  const std::vector<float> values_ = LivelyValues(config_, layout_, 1);
  const std::unique_ptr<kernels::Device> device_ = kernels::OpenCpuDevice(2);
};

TEST_F(WeightFollowerTest, MapsAFileOfThisHostWithoutCopying) {
  const auto manifest = Publish(layout_, values_, 3, TemporaryPath("w"));
  const auto loaded = Load(manifest);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_TRUE(Holds(*loaded));
  EXPECT_TRUE(loaded->values->writable().empty()) << "was copied";
  EXPECT_EQ(loaded->digest, WeightsFingerprint(manifest));
}

TEST_F(WeightFollowerTest, StaysReadableWhenTheFileIsRemovedAndItsPagesAreReleased) {
  const auto manifest = Publish(layout_, values_, 3, TemporaryPath("w"));
  const auto loaded = Load(manifest);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_TRUE(RemoveAll(manifest.shared_path()).ok());
  loaded->values->ReleasePacked(layout_);
  EXPECT_TRUE(Holds(*loaded));
}

TEST_F(WeightFollowerTest, SeesEveryFlippedBitOfATensorAndNamesTheTensor) {
  const std::string path = TemporaryPath("w");
  for (const model::ParameterSpec& spec : layout_.specs()) {
    auto manifest = Publish(layout_, values_, 3, path);
    std::string bytes = BytesOf(values_);
    bytes[spec.offset * 4 + spec.size * 2] ^= 0x40;
    ASSERT_TRUE(WriteFileAtomically(path, bytes).ok());
    ExpectRefused(manifest, absl::StatusCode::kDataLoss, spec.name);
  }
}

TEST_F(WeightFollowerTest, RefusesAFileOfAnotherLength) {
  const auto manifest = Publish(layout_, values_, 3, TemporaryPath("w"));
  std::string bytes = BytesOf(values_);
  bytes.resize(bytes.size() - 4);
  ASSERT_TRUE(WriteFileAtomically(manifest.shared_path(), bytes).ok());
  ExpectRefused(manifest, absl::StatusCode::kDataLoss, "bytes");
}

TEST_F(WeightFollowerTest, SaysWhenTheFileHasGone) {
  const auto manifest = Publish(layout_, values_, 3, TemporaryPath("w"));
  ASSERT_TRUE(RemoveAll(manifest.shared_path()).ok());
  ExpectRefused(manifest, absl::StatusCode::kNotFound, manifest.shared_path());
}

TEST_F(WeightFollowerTest, RefusesAnotherModel) {
  const auto good = Publish(layout_, values_, 3, TemporaryPath("w"));
  const auto refused = [&](auto change, const std::string& words) {
    v1::WeightsManifest manifest = good;
    change(manifest);
    ExpectRefused(manifest, absl::StatusCode::kFailedPrecondition, words);
  };
  const std::string name = good.tensors(1).name();
  refused([](auto& m) { m.mutable_tensors()->RemoveLast(); }, "tensors, this model has");
  refused([](auto& m) { m.mutable_tensors(1)->set_name("x"); }, "tensor 1 is x, here " + name);
  refused([](auto& m) { m.mutable_tensors(1)->add_shape(2); }, name + " has shape");
  refused([](auto& m) { m.mutable_tensors(1)->set_offset(8); }, name + " stands at byte 8");
  refused([](auto& m) { m.mutable_tensors(1)->set_bytes(4); }, name + " stands at byte");
  refused([](auto& m) { m.set_bytes(m.bytes() + 4); }, "bytes, this model has");
}

TEST_F(WeightFollowerTest, FetchesFromAnotherHost) {
  fakes::FakeLearner learner(3, BytesOf(values_));
  auto manifest = Publish(layout_, values_, 3, "");
  manifest.set_learner_address(learner.address());
  const auto loaded = Load(manifest);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_TRUE(Holds(*loaded));
  EXPECT_EQ(loaded->digest, WeightsFingerprint(manifest));
}

TEST_F(WeightFollowerTest, FetchesForTheRunOfTheManifest) {
  fakes::FakeLearner learner(3, BytesOf(values_), "arithmetic");
  auto manifest = Publish(layout_, values_, 3, "");
  manifest.set_learner_address(learner.address());
  ExpectRefused(manifest, absl::StatusCode::kNotFound, "is not here");
  manifest.set_run("arithmetic");
  const auto loaded = Load(manifest);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_TRUE(Holds(*loaded));
}

// A learner on a GPU: digests that the GPU took, and a file when it is asked.
TEST_F(WeightFollowerTest, ChecksAGpusDigestsAndMapsTheFileItIsToldOf) {
  const auto as_published_by_a_gpu = [&](v1::WeightsManifest manifest) {
    for (v1::TensorDigest& tensor : *manifest.mutable_tensors()) {
      tensor.set_kind(v1::DIGEST_KIND_DEVICE_64);
      tensor.set_digest(BigEndian(
          kernels::DigestOfHostBytes(values_.data() + tensor.offset() / 4, tensor.bytes())));
    }
    manifest.set_device_handle("of no use to a CPU");
    return manifest;
  };
  const std::string path = TemporaryPath("w");
  v1::WeightsManifest manifest = as_published_by_a_gpu(Publish(layout_, values_, 3, path));
  manifest.clear_shared_path();
  fakes::FakeLearner learner(3, BytesOf(values_));
  learner.set_file(kThisHost, path);
  manifest.set_learner_address(learner.address());
  const auto mapped = Load(manifest);
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  EXPECT_TRUE(Holds(*mapped));
  EXPECT_EQ(mapped->way, v1::WEIGHTS_WAY_FILE);
  EXPECT_TRUE(mapped->values->writable().empty()) << "was copied";
  EXPECT_EQ(mapped->digest, WeightsFingerprint(manifest));
  EXPECT_EQ(mapped->digest.size(), 17u);

  std::string bytes = BytesOf(values_);
  bytes[bytes.size() / 3] ^= 1;
  ASSERT_TRUE(WriteFileAtomically(path, bytes).ok());
  ExpectRefused(manifest, absl::StatusCode::kDataLoss, "has digest");
  // Another host's file is not ours to open.
  manifest.set_host_id("another-host");
  const auto fetched = Load(manifest);
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  EXPECT_EQ(fetched->way, v1::WEIGHTS_WAY_STREAM);
  EXPECT_TRUE(Holds(*fetched));
  manifest.mutable_tensors(0)->set_kind(kXxh3Digests);
  ExpectRefused(manifest, absl::StatusCode::kFailedPrecondition, "several kinds");
}

TEST_F(WeightFollowerTest, BelievesNoStreamThatDiffersFromTheManifest) {
  fakes::FakeLearner learner(3, BytesOf(values_));
  auto manifest = Publish(layout_, values_, 3, "");
  manifest.set_learner_address(learner.address());
  learner.set_fault(Fault::kFlippedByte);
  ExpectRefused(manifest, absl::StatusCode::kDataLoss, "has digest");
  learner.set_fault(Fault::kCutShort);
  ExpectRefused(manifest, absl::StatusCode::kDataLoss, "the stream ended after");
  learner.set_fault(Fault::kSkippedPart);
  ExpectRefused(manifest, absl::StatusCode::kDataLoss, "expected offset 4096");
  learner.set_fault(Fault::kTooMuch);
  ExpectRefused(manifest, absl::StatusCode::kDataLoss, "at offset");
  manifest.set_version(4);
  ExpectRefused(manifest, absl::StatusCode::kNotFound, "gone by");
}

TEST_F(WeightFollowerTest, GivesUpAtTheDeadlineAndWhenCancelled) {
  fakes::FakeLearner learner(3, BytesOf(values_));
  auto manifest = Publish(layout_, values_, 3, "");
  manifest.set_learner_address(learner.address());
  const WeightFollower follower(layout_, kThisHost, *device_);
  EXPECT_EQ(
      follower.Load(manifest, absl::Now() + absl::Seconds(10), [] { return true; }).status().code(),
      absl::StatusCode::kCancelled);
  EXPECT_EQ(
      follower.Load(manifest, absl::Now() - absl::Seconds(1), [] { return false; }).status().code(),
      absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace temper::rollout
