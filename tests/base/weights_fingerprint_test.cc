// A version's fingerprint is what it was, and says of which kind of digests it is made.
#include "base/weights_fingerprint.h"

#include <gtest/gtest.h>

namespace temper {
namespace {

v1::WeightsManifest Manifest(v1::DigestKind kind, const std::string& last) {
  v1::WeightsManifest manifest;
  for (const std::string& digest : {std::string("first"), last}) {
    v1::TensorDigest& tensor = *manifest.add_tensors();
    tensor.set_digest(digest);
    tensor.set_kind(kind);
  }
  return manifest;
}

TEST(WeightsFingerprintTest, IsTheDigestOfTheDigestsAndAnotherKindIsAddedToIt) {
  const std::string plain = WeightsFingerprint(Manifest(kXxh3Digests, "second"));
  EXPECT_EQ(plain, Xxh3Digest("firstsecond"));
  EXPECT_EQ(WeightsFingerprint(Manifest(v1::DIGEST_KIND_DEVICE_64, "second")), plain + "\x01");
  EXPECT_EQ(WeightsFingerprint(v1::WeightsManifest()), Xxh3Digest(""));
}

TEST(WeightsFingerprintTest, OnlyThoseOfOneKindContradictEachOther) {
  const std::string one = WeightsFingerprint(Manifest(kXxh3Digests, "a"));
  const std::string other = WeightsFingerprint(Manifest(kXxh3Digests, "b"));
  const std::string device = WeightsFingerprint(Manifest(v1::DIGEST_KIND_DEVICE_64, "a"));
  const std::string other_device = WeightsFingerprint(Manifest(v1::DIGEST_KIND_DEVICE_64, "b"));
  EXPECT_FALSE(FingerprintsContradict(one, one));
  EXPECT_TRUE(FingerprintsContradict(one, other));
  EXPECT_FALSE(FingerprintsContradict(one, device));
  EXPECT_FALSE(FingerprintsContradict(device, other));
  EXPECT_TRUE(FingerprintsContradict(device, other_device));
  EXPECT_FALSE(FingerprintsContradict(device, other_device.substr(0, 16) + "\x02"))
      << "a third kind";
}

TEST(WeightsFingerprintTest, ADevicesDigestIsBigEndian) {
  EXPECT_EQ(BigEndian(0x0102030405060708u), "\x01\x02\x03\x04\x05\x06\x07\x08");
}

}  // namespace
}  // namespace temper
