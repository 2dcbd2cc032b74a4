// Every token's bits are the same however its sequence came: whole, cut anywhere, token by token,
// forked with the boundary shared, resumed from a copy, among others.
#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/cuda/ssm_case.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::SameBits;

class CudaSsmChunkTest : public CudaSsmTest {
 protected:
  // Rows [from, to) of the case's only sequence, into the same rows of y.
  void Continue(const SsmCase& in, const Placed& placed, int64_t from, int64_t to, SsmState& state,
                View<float> y) {
    const SsmInputs& inputs = placed.inputs;
    const auto part = [&](View<const float> view) { return view.Rows(from, to - from); };
    const Segment segment = {0, to - from, from};
    cuda().ssm_scan(cuda_stream(), in.shape, std::vector<Segment>{segment},
                    {part(inputs.x), part(inputs.b), part(inputs.c), part(inputs.dt)},
                    placed.parameters, std::vector<SsmState>{state}, y.Rows(from, to - from));
    const bool ended = cuda().ssm_state_size(in.shape).Ends(from, to - from);
    if (ended) state.boundary = state.next_boundary;
  }
};

constexpr SsmShape kSmall = {2, 20, 12, 1};
constexpr SsmShape kGrouped = {4, 8, 16, 2};
constexpr SsmShape kOdd = {2, 33, 7, 2};
constexpr SsmShape kUsual = {1, 64, 128, 1};
constexpr SsmShape kWide = {1, 8, 140, 1};

SsmShape InBFloat16(SsmShape shape) {
  shape.dtype = Dtype::kBFloat16;
  return shape;
}
// Each of them in either dtype.
std::vector<SsmShape> InEither(std::initializer_list<SsmShape> shapes) {
  std::vector<SsmShape> both = shapes;
  for (const SsmShape& shape : shapes) both.push_back(InBFloat16(shape));
  return both;
}
std::string Name(const SsmShape& shape) {
  return std::to_string(shape.head_dim) + " x " + std::to_string(shape.state) +
         (shape.dtype == Dtype::kBFloat16 ? " bfloat16" : " float32");
}

TEST_F(CudaSsmChunkTest, TokenByTokenIsTheWholeSequence) {
  for (const SsmShape& shape :
       InEither({kSmall, kGrouped, kOdd, kUsual, kWide, {1, 70, 3, 1}, {1, 9, 90, 1}})) {
    const SsmCase in(shape, {150});
    const Placed placed = Place(in);
    const Matrix whole = Scan(in, placed);
    const Matrix got = TwiceTheSame([&] {
      const View<float> y = Empty(150, in.columns());
      SsmState state = FreshState(in);
      for (int64_t t = 0; t < 150; ++t) Continue(in, placed, t, t + 1, state, y);
      return std::vector<Matrix>{Get(y)};
    })[0];
    EXPECT_TRUE(SameBits(got, whole)) << Name(shape);
  }
}

TEST_F(CudaSsmChunkTest, ACutAnywhereChangesNothing) {
  for (const SsmShape& shape : InEither({kSmall})) {
    const SsmCase in(shape, {134});
    const Placed placed = Place(in);
    const Matrix whole = Scan(in, placed);
    const View<float> y = Empty(134, in.columns());
    for (int64_t cut = 1; cut < 134; ++cut) {
      SsmState state = FreshState(in);
      Continue(in, placed, 0, cut, state, y);
      Continue(in, placed, cut, 134, state, y);
      ASSERT_TRUE(SameBits(Get(y), whole)) << Name(shape) << ", cut at " << cut;
    }
  }
}

// The branches take turns, so that what one writes into the other's state would show. They share
// the boundary until their chunks end. One decodes token by token, the other comes in one call.
TEST_F(CudaSsmChunkTest, ForksAtAnyPointGoOnAsTheirWholeSequences) {
  for (const SsmShape& shape : InEither({{1, 5, 8, 1}})) {
    constexpr int64_t kTokens = 134;
    const SsmCase in(shape, {kTokens});
    SsmCase other = in;  // the same up to the fork
    const Placed placed = Place(in);
    const Matrix whole = Scan(in, placed);
    for (int64_t fork = 1; fork < kTokens; ++fork) {
      other.wide = oracle::RandomMatrix(kTokens, in.wide.cols, 50, 1.0f, 5);
      other.dt = oracle::RandomMatrix(kTokens, in.dt.cols, 51, 1.0f, 3);
      for (int64_t t = 0; t < fork; ++t) {
        std::copy_n(in.wide.row(t), in.wide.cols, other.wide.row(t));
        std::copy_n(in.dt.row(t), in.dt.cols, other.dt.row(t));
      }
      const Placed other_placed = Place(other);
      const View<float> y = Empty(kTokens, in.columns());
      const View<float> other_y = Empty(kTokens, in.columns());
      SsmState prompt = FreshState(in), again = FreshState(in);
      Continue(in, placed, 0, fork, prompt, y);
      Continue(in, placed, 0, fork, again, other_y);
      SsmState one = Fork(in, prompt), two = Fork(in, prompt);
      const int64_t middle = std::min(fork + 5, kTokens);
      for (int64_t t = fork; t < middle; ++t) Continue(in, placed, t, t + 1, one, y);
      Continue(other, other_placed, fork, kTokens, two, other_y);
      if (middle < kTokens) Continue(in, placed, middle, kTokens, one, y);
      ASSERT_TRUE(SameBits(Get(y), whole)) << Name(shape) << ", fork at " << fork;
      ASSERT_TRUE(SameBits(Get(other_y), Scan(other, other_placed)))
          << Name(shape) << ", fork at " << fork;
    }
  }
}

TEST_F(CudaSsmChunkTest, AStateCopiedOutAndInResumes) {
  for (const SsmShape& shape : InEither({kGrouped})) {
    const SsmCase in(shape, {140});
    const Placed placed = Place(in);
    const Matrix whole = Scan(in, placed);
    for (const int64_t at : {1, 40, 64, 100, 128, 139}) {
      const View<float> y = Empty(140, in.columns());
      SsmState state = FreshState(in);
      Continue(in, placed, 0, at, state, y);
      const SsmStateSize size = cuda().ssm_state_size(in.shape);
      SsmState kept = Fork(in, state);
      kept.boundary = Put(Get(state.boundary, size.boundary));
      std::fill_n(state.running, size.running, NAN);  // another sequence has the place
      std::fill_n(state.next_boundary, size.boundary, NAN);
      Continue(in, placed, at, 140, kept, y);
      EXPECT_TRUE(SameBits(Get(y), whole)) << Name(shape) << ", " << at;
    }
  }
}

// Several sequences go forward in calls that take some of them, in any order, by one token or more.
TEST_F(CudaSsmChunkTest, OtherSequencesInTheCallChangeNothing) {
  for (const SsmShape& shape : InEither({kGrouped, kOdd})) {
    const SsmCase in(shape, {70, 131, 1, 64, 90});
    const Matrix whole = Scan(in, Place(in));
    std::mt19937_64 engine(7);
    std::vector<SsmState> states;
    for (size_t s = 0; s < in.segments.size(); ++s) states.push_back(FreshState(in));
    std::vector<int64_t> done(in.segments.size(), 0);
    Matrix got(in.rows(), in.columns());
    for (;;) {
      std::vector<int64_t> lengths;
      std::vector<size_t> who(in.segments.size());
      std::iota(who.begin(), who.end(), size_t{0});
      std::shuffle(who.begin(), who.end(), engine);
      std::erase_if(who, [&](size_t s) { return done[s] == in.segments[s].length; });
      if (who.empty()) break;
      for (size_t s : who) {
        const int64_t left = in.segments[s].length - done[s];
        lengths.push_back(engine() % 3 == 0 ? 1 : std::min<int64_t>(left, 1 + engine() % 40));
      }
      SsmCase part(shape, lengths);
      std::vector<SsmState> of_part;
      for (size_t i = 0; i < who.size(); ++i) {
        Segment& segment = part.segments[i];
        segment.position = done[who[i]];
        for (int64_t t = 0; t < segment.length; ++t) {
          const int64_t from = in.segments[who[i]].begin + done[who[i]] + t;
          std::copy_n(in.wide.row(from), in.wide.cols, part.wide.row(segment.begin + t));
          std::copy_n(in.dt.row(from), in.dt.cols, part.dt.row(segment.begin + t));
        }
        of_part.push_back(states[who[i]]);
      }
      const Matrix y = Scan(part, Place(part), of_part);
      for (size_t i = 0; i < who.size(); ++i) {
        const Segment& segment = part.segments[i];
        for (int64_t t = 0; t < segment.length; ++t) {
          std::copy_n(y.row(segment.begin + t), y.cols,
                      got.row(in.segments[who[i]].begin + done[who[i]] + t));
        }
        done[who[i]] += segment.length;
      }
    }
    EXPECT_TRUE(SameBits(got, whole)) << Name(shape);
  }
}

TEST_F(CudaSsmChunkTest, WhatComesLaterIsNotReadIntoARow) {
  const SsmCase in(kGrouped, {100});
  SsmCase spoilt = in;
  for (int64_t t = 50; t < 100; ++t) std::fill_n(spoilt.wide.row(t), spoilt.wide.cols, NAN);
  const Matrix want = Scan(in, Place(in)), got = Scan(spoilt, Place(spoilt));
  EXPECT_TRUE(oracle::SameBits(got.values.data(), want.values.data(), 50 * in.columns()));
}

// By tensor cores what comes later is multiplied by zero: whatever it is, if finite.
TEST_F(CudaSsmChunkTest, WhatComesLaterChangesNoRowInBFloat16) {
  const SsmCase in(InBFloat16(kGrouped), {100});
  for (const float large : {1e18f, -1e18f}) {
    SsmCase spoilt = in;
    for (int64_t t = 50; t < 100; ++t) std::fill_n(spoilt.wide.row(t), spoilt.wide.cols, large);
    const Matrix want = Scan(in, Place(in)), got = Scan(spoilt, Place(spoilt));
    EXPECT_TRUE(oracle::SameBits(got.values.data(), want.values.data(), 50 * in.columns()));
  }
}

// Reads of 16 bytes are for rows that lie so; others give the same bits.
TEST_F(CudaSsmChunkTest, StatesThatLieAnyhowGiveTheSameBits) {
  for (const SsmShape& shape : InEither({{1, 12, 132, 1}, {1, 12, 68, 1}})) {
    const SsmCase in(shape, {70});
    const Placed placed = Place(in);
    const Matrix whole = Scan(in, placed);
    for (const int64_t shift : {0, 1, 2}) {
      const View<float> y = Empty(70, in.columns());
      SsmState state = FreshState(in, shift);
      for (int64_t t = 0; t < 66; ++t) Continue(in, placed, t, t + 1, state, y);
      Continue(in, placed, 66, 70, state, y);
      EXPECT_TRUE(SameBits(Get(y), whole)) << Name(shape) << ", " << shift;
    }
  }
}

TEST_F(CudaSsmChunkTest, SequencesWithAndWithoutStatesShareACall) {
  for (const SsmShape& shape : InEither({kSmall})) {
    const SsmCase in(shape, {1, 70, 1, 66});
    const Placed placed = Place(in);
    const Matrix whole = Scan(in, placed);
    const std::vector<SsmState> states = {FreshState(in), {}, {}, FreshState(in)};
    EXPECT_TRUE(SameBits(Scan(in, placed, states), whole)) << Name(shape);
  }
}

}  // namespace
}  // namespace temper::kernels
