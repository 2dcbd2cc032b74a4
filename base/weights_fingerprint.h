// One short name for a version of the weights, from its tensors' digests: as WeightsManifest says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "temper/v1/weights.pb.h"

namespace temper {

// What a digest is where no kind is said.
inline constexpr temper::v1::DigestKind kXxh3Digests = temper::v1::DIGEST_KIND_UNSPECIFIED;

// `digests`: of all tensors, in the manifest's order, one after another.
inline std::string WeightsFingerprint(std::string_view digests, temper::v1::DigestKind kind) {
  std::string fingerprint = Xxh3Digest(digests);
  if (kind != kXxh3Digests) fingerprint.push_back(static_cast<char>(kind));
  return fingerprint;
}

inline temper::v1::DigestKind KindOf(const temper::v1::WeightsManifest& manifest) {
  return manifest.tensors_size() > 0 ? manifest.tensors(0).kind() : kXxh3Digests;
}

inline std::string WeightsFingerprint(const temper::v1::WeightsManifest& manifest) {
  std::string digests;
  for (const temper::v1::TensorDigest& tensor : manifest.tensors()) digests += tensor.digest();
  return WeightsFingerprint(digests, KindOf(manifest));
}

// Of two fingerprints: whether they are of different weights for certain. Those of different kinds
// say nothing about each other: the version was made on another kind of device.
inline bool FingerprintsContradict(std::string_view one, std::string_view other) {
  constexpr size_t kWithoutKind = 16;
  if (one.size() != other.size()) return false;
  if (one.size() > kWithoutKind && one.back() != other.back()) return false;
  return one != other;
}

// DEVICE_64 as a manifest has it.
inline std::string BigEndian(uint64_t digest) {
  std::string bytes(sizeof(digest), '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[bytes.size() - 1 - i] = static_cast<char>(digest >> (8 * i));
  }
  return bytes;
}

}  // namespace temper
