// Fingerprints: the device's are the host's for every size and beginning, and every bit counts.
#include "kernels/cuda/digest.h"

#include <random>
#include <set>
#include <span>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

std::vector<unsigned char> RandomBytes(int64_t count, uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<unsigned char> bytes(count);
  for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(engine());
  return bytes;
}

class CudaDigestTest : public CudaTest {
 protected:
  std::vector<uint64_t> Digests(const std::vector<DigestPiece>& pieces) {
    auto& stream = static_cast<cuda::CudaStream&>(cuda_stream());
    std::vector<uint64_t> first(pieces.size()), second(pieces.size());
    TakeTurnsBackwards(false);
    cuda::Digest(stream, pieces, first.data());
    TakeTurnsBackwards(true);
    cuda::Digest(stream, pieces, second.data());
    TakeTurnsBackwards(false);
    EXPECT_EQ(first, second);
    return first;
  }
  // A copy that begins `offset` bytes behind a multiple of 256.
  DigestPiece PutAt(int64_t offset, const std::vector<unsigned char>& bytes) {
    std::vector<unsigned char> behind(offset, 0xee);
    behind.insert(behind.end(), bytes.begin(), bytes.end());
    behind.push_back(0xee);  // which no digest may see
    const auto* const at = Put(behind.data(), static_cast<int64_t>(behind.size()));
    return {at + offset, static_cast<int64_t>(bytes.size())};
  }
};

TEST_F(CudaDigestTest, TheDevicesDigestsAreTheHostsForEverySizeAndBeginning) {
  std::vector<DigestPiece> pieces;
  std::vector<uint64_t> want;
  for (const int64_t size : {0, 1, 7, 8, 9, 15, 16, 100, 4000, 65'535, 65'536, 65'537, 65'544,
                             131'072, 200'001, 1'048'579, 0}) {
    const std::vector<unsigned char> bytes = RandomBytes(size, static_cast<uint64_t>(size));
    for (const int64_t offset : {0, 4, 8, 12, 2, 1}) {
      if (size > 70'000 && offset > 4) continue;
      pieces.push_back(PutAt(offset, bytes));
      want.push_back(DigestOfHostBytes(bytes.data(), size));
    }
  }
  EXPECT_EQ(Digests(pieces), want);
  // Alone as among others.
  for (const size_t i : {size_t{0}, size_t{20}, pieces.size() - 1}) {
    EXPECT_EQ(Digests({pieces[i]})[0], want[i]);
  }
  EXPECT_EQ(std::set<uint64_t>(want.begin(), want.end()).size(), 16u);  // one for each size
}

TEST_F(CudaDigestTest, NoPiecesAreNoWork) { EXPECT_TRUE(Digests({}).empty()); }

TEST_F(CudaDigestTest, EveryBitCounts) {
  std::vector<unsigned char> bytes = RandomBytes(66'003, 1);
  const uint64_t before = DigestOfHostBytes(bytes.data(), 66'003);
  std::set<uint64_t> seen = {before};
  std::mt19937_64 engine(2);
  for (int i = 0; i < 400; ++i) {
    const size_t byte = i < 64 ? bytes.size() - 1 - i / 8 : engine() % bytes.size();
    const int bit = i % 8;
    bytes[byte] ^= static_cast<unsigned char>(1 << bit);
    seen.insert(DigestOfHostBytes(bytes.data(), 66'003));
    bytes[byte] ^= static_cast<unsigned char>(1 << bit);
  }
  EXPECT_GT(seen.size(), 395u);  // a place may come twice
  EXPECT_EQ(DigestOfHostBytes(bytes.data(), 66'003), before);
  std::vector<DigestPiece> pieces;
  for (const size_t byte : {size_t{0}, size_t{7}, size_t{8}, size_t{65'535}, size_t{65'536},
                            size_t{66'000}, size_t{66'002}}) {
    for (const int bit : {0, 7}) {
      std::vector<unsigned char> other = bytes;
      other[byte] ^= static_cast<unsigned char>(1 << bit);
      pieces.push_back(PutAt(0, other));
    }
  }
  const std::vector<uint64_t> digests = Digests(pieces);
  for (const uint64_t digest : digests) EXPECT_NE(digest, before);
  EXPECT_EQ(std::set<uint64_t>(digests.begin(), digests.end()).size(), digests.size());
}

TEST_F(CudaDigestTest, OrderAndLengthCount) {
  const std::vector<unsigned char> bytes = RandomBytes(200'000, 5);
  std::set<uint64_t> seen = {DigestOfHostBytes(bytes.data(), 200'000)};
  std::vector<unsigned char> swapped = bytes;
  std::swap_ranges(swapped.begin(), swapped.begin() + 8, swapped.begin() + 8);  // two words
  seen.insert(DigestOfHostBytes(swapped.data(), 200'000));
  swapped = bytes;
  std::swap_ranges(swapped.begin(), swapped.begin() + 65'536, swapped.begin() + 65'536);
  seen.insert(DigestOfHostBytes(swapped.data(), 200'000));
  swapped = bytes;
  std::swap_ranges(swapped.begin(), swapped.begin() + 4, swapped.begin() + 4);  // two floats
  seen.insert(DigestOfHostBytes(swapped.data(), 200'000));
  EXPECT_EQ(seen.size(), 4u);
  // Zeros of any length, which add nothing but their number.
  const std::vector<unsigned char> zeros(300);
  for (int64_t size = 0; size <= 300; ++size) seen.insert(DigestOfHostBytes(zeros.data(), size));
  EXPECT_EQ(seen.size(), 305u);
}

// About half of the digest's bits turn over with one bit of the input, whichever it is.
TEST_F(CudaDigestTest, OneBitTurnsHalfOfTheDigest) {
  std::vector<unsigned char> bytes(64);  // zeros: as little to mix as can be
  const uint64_t before = DigestOfHostBytes(bytes.data(), 64);
  double turned = 0;
  for (int bit = 0; bit < 512; ++bit) {
    bytes[bit / 8] ^= static_cast<unsigned char>(1 << bit % 8);
    const int now = __builtin_popcountll(before ^ DigestOfHostBytes(bytes.data(), 64));
    EXPECT_GT(now, 10) << bit;
    turned += now;
    bytes[bit / 8] ^= static_cast<unsigned char>(1 << bit % 8);
  }
  EXPECT_NEAR(turned / 512, 32.0, 1.0);
}

// What a digest is must not change: other machines compare with it.
TEST_F(CudaDigestTest, ADigestIsWhatItWas) {
  std::vector<unsigned char> bytes(1000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<unsigned char>(i * 7);
  EXPECT_EQ(DigestOfHostBytes(bytes.data(), 0), 0xb1dcc844eb642b34u);
  EXPECT_EQ(DigestOfHostBytes(bytes.data(), 997), 0x4351705d0f404753u);
  EXPECT_EQ(DigestOfHostBytes(bytes.data(), 1000), 0xcc3756bd13dd4bf9u);
}

}  // namespace
}  // namespace temper::kernels
