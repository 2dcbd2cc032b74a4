// A 64-bit fingerprint of bytes that a GPU computes where they lie, and the host where it must.
//
// The bytes are words of eight, little-endian, zeros filling up the last. With i a word's index
//   digest = Mix(Key(bytes) ^ sum over i of Mix(word[i] ^ Key(i)))     modulo 2^64.
// The key gives each word its place, and whole numbers add up alike in any order, so any number of
// threads may share the work. Mix is one to one: what changes within one word always changes the
// digest; any other change keeps it once in 2^64. No defence against whoever wants them to agree.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#define TEMPER_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define TEMPER_HOST_DEVICE inline
#endif

namespace temper::kernels {

// Of a device's memory, at any address; one that is a multiple of 16, or at least of 4, is read
// faster.
struct DigestPiece {
  const void* data = nullptr;
  int64_t bytes = 0;
};

TEMPER_HOST_DEVICE uint64_t DigestMix(uint64_t x) {
  x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
  x = (x ^ (x >> 29)) * 0x9fb21c651e98df25u;
  return x ^ (x >> 32);
}
TEMPER_HOST_DEVICE uint64_t DigestKey(uint64_t index) { return (index + 1) * 0x9e3779b97f4a7c15u; }
TEMPER_HOST_DEVICE uint64_t MixedWord(uint64_t word, uint64_t index) {
  return DigestMix(word ^ DigestKey(index));
}
TEMPER_HOST_DEVICE uint64_t FinishDigest(uint64_t sum, int64_t bytes) {
  return DigestMix(sum ^ DigestKey(static_cast<uint64_t>(bytes)));
}
// The word at `at` of which `left` bytes are there, at least one.
TEMPER_HOST_DEVICE uint64_t WordFromBytes(const unsigned char* at, int64_t left) {
  uint64_t word = 0;
  for (int byte = 0; byte < 8 && byte < left; ++byte) {
    word |= static_cast<uint64_t>(at[byte]) << (8 * byte);
  }
  return word;
}

// The same of bytes on the host.
inline uint64_t DigestOfHostBytes(const void* data, int64_t bytes) {
  static_assert(std::endian::native == std::endian::little);
  const auto* const at = static_cast<const unsigned char*>(data);
  const int64_t words = bytes / 8;
  uint64_t sum = 0;
  for (int64_t i = 0; i < words; ++i) {
    uint64_t word;
    std::memcpy(&word, at + 8 * i, sizeof(word));
    sum += MixedWord(word, static_cast<uint64_t>(i));
  }
  if (bytes % 8 != 0) {
    sum += MixedWord(WordFromBytes(at + 8 * words, bytes % 8), static_cast<uint64_t>(words));
  }
  return FinishDigest(sum, bytes);
}

}  // namespace temper::kernels
