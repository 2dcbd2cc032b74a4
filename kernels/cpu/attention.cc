// Causal attention forward: online softmax over tiles of 64 keys anchored at position 0.
//
// One path for decode, prefill and training. A query row's bits depend on its own q and on the keys
// and values at positions up to its own: scores and sums of values are single chains over head_dim
// and over keys, and a row never touches a key after itself, not even times zero. Query heads that
// share keys are worked together.
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "kernels/check.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cpu/ops_internal.h"
#include "kernels/cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"
#include "kernels/cpu/small_gemm-inl.h"
#include "kernels/cpu/targets.h"
#include "kernels/cpu/vector_math.h"

#ifndef TEMPER_KERNELS_CPU_ATTENTION_TYPES_
#define TEMPER_KERNELS_CPU_ATTENTION_TYPES_
namespace temper::kernels::cpu {

inline constexpr int64_t kQueriesPerItem = 32;

// Some neighbouring tokens of one segment and the query heads of one key/value head. Row r of the
// working matrices is token r / heads, query head r % heads.
struct QueryBlock {
  int64_t position;  // of the first token
  int64_t tokens;
  int64_t heads;  // query heads
  int64_t head_dim;
  View<const float> q;  // [tokens, heads * head_dim]
  View<float> y;        // the same
  float* lse;           // row of `heads` floats a token, or null
  int64_t lse_row;
  KeyValueTiles tiles;
  int64_t column;  // of the key/value head in a tile's row

  int64_t rows() const { return tokens * heads; }
};

// Working memory of a QueryBlock; all rows padded to sixteens.
struct AttentionMemory {
  AttentionMemory(const QueryBlock& block, Scratch& scratch) : width(RoundUpTo16(block.head_dim)) {
    float* next =
        scratch.Take(block.rows() * (2 * width + kAttentionTile + 32) + 2 * width * kAttentionTile);
    const auto take = [&next](int64_t floats) { return std::exchange(next, next + floats); };
    query = take(block.rows() * width);
    out = take(block.rows() * width);
    scores = take(block.rows() * kAttentionTile);
    sum = take(block.rows() * 16);
    most = take(block.rows() * 16);
    keys = take(width * kAttentionTile);
    values = take(width * kAttentionTile);
  }

  int64_t width;
  float* query;   // [rows, width], scaled
  float* out;     // [rows, width], not yet divided by the sum
  float* scores;  // [rows, tile]
  float* sum;     // [rows, 16]: of exp(score - most), lane by lane
  float* most;    // [rows, 16]: first float of each is the largest score so far
  float* keys;    // [width, tile]: transposed
  float* values;  // [tile, width], used where head_dim is no multiple of sixteen
};

}  // namespace temper::kernels::cpu
#endif  // TEMPER_KERNELS_CPU_ATTENTION_TYPES_

HWY_BEFORE_NAMESPACE();
namespace temper::kernels::cpu {
namespace HWY_NAMESPACE {

// keys [count, head_dim] to memory.keys [head_dim, tile]; columns up to the next sixteen are
// zeroed.
void TransposeKeys(const float* keys, int64_t stride, int64_t count, int64_t head_dim, float* to) {
  const int64_t whole_count = count / 4 * 4, whole_dim = head_dim / 4 * 4;
  Transpose(keys, stride, whole_count, whole_dim, to, kAttentionTile);
  for (int64_t j = 0; j < head_dim; ++j) {
    const int64_t first = j < whole_dim ? whole_count : 0;
    for (int64_t i = first; i < RoundUpTo16(count); ++i) {
      to[j * kAttentionTile + i] = i < count ? keys[i * stride + j] : 0.0f;
    }
  }
}

// Scores of `count` keys to weights relative to the new maximum; earlier sums are rescaled to it.
void SoftmaxRow(int64_t count, int64_t width, float* scores, float* most, float* sum, float* out) {
  const int64_t end = RoundUpTo16(count);
  for (int64_t i = count; i < end; ++i) scores[i] = -HUGE_VALF;
  Lanes16 lanes = Load16(scores);
  for (int64_t i = 16; i < end; i += 16) lanes = Max16(lanes, Load16(scores + i));
  const float before = most[0], now = std::max(before, Max16Lane(lanes));
  const Lanes16 shift = Set16(now);
  const Lanes16 shrink = Exp16(Sub16(Set16(before), shift));
  Lanes16 total = Mul16(shrink, Load16(sum));
  for (int64_t i = 0; i < end; i += 16) {
    const Lanes16 weight = Exp16(Sub16(Load16(scores + i), shift));
    Store16(weight, scores + i);
    total = Add16(total, weight);
  }
  Store16(total, sum);
  for (int64_t i = 0; i < width; i += 16) Store16(Mul16(shrink, Load16(out + i)), out + i);
  most[0] = now;
}

// Adds one tile's share to every row that may see it.
void AttendTile(const QueryBlock& block, const AttentionMemory& memory, int64_t tile) {
  const int64_t first = tile * kAttentionTile, width = memory.width, heads = block.heads;
  const int64_t seen = std::min(kAttentionTile, block.position + block.tokens - first);
  const int64_t stride = block.tiles.stride;
  TransposeKeys(block.tiles.keys[tile] + block.column, stride, seen, block.head_dim, memory.keys);
  RightMatrix values = {block.tiles.values[tile] + block.column, stride};
  if (width != block.head_dim) {
    for (int64_t i = 0; i < seen; ++i) {
      float* to = memory.values + i * width;
      std::copy_n(values.data + i * stride, block.head_dim, to);
      std::fill(to + block.head_dim, to + width, 0.0f);
    }
    values = {memory.values, width};
  }

  const int64_t start =
      std::max<int64_t>(0, first - block.position);  // first token that sees the tile
  const int64_t whole =                              // first token that sees all of it
      std::clamp<int64_t>(first + kAttentionTile - 1 - block.position, start, block.tokens);
  float* scores = memory.scores + start * heads * kAttentionTile;
  Multiply((block.tokens - start) * heads, RoundUpTo16(seen), block.head_dim,
           {memory.query + start * heads * width, width, 1}, {memory.keys, kAttentionTile},
           {.out = scores, .row = kAttentionTile});
  const auto add_values = [&](int64_t token, int64_t tokens, int64_t count) {
    float* out = memory.out + token * heads * width;
    Multiply(tokens * heads, width, count,
             {memory.scores + token * heads * kAttentionTile, kAttentionTile, 1}, values,
             {.out = out, .row = width, .start = out, .start_row = width});
  };
  for (int64_t token = start; token < block.tokens; ++token) {
    const int64_t count = std::min(kAttentionTile, block.position + token - first + 1);
    for (int64_t r = token * heads; r < (token + 1) * heads; ++r) {
      SoftmaxRow(count, width, memory.scores + r * kAttentionTile, memory.most + r * 16,
                 memory.sum + r * 16, memory.out + r * width);
    }
    if (token < whole) add_values(token, 1, count);
  }
  if (whole < block.tokens) add_values(whole, block.tokens - whole, kAttentionTile);
}

void AttendBlock(const QueryBlock& block, const AttentionMemory& memory) {
  const int64_t dim = block.head_dim, width = memory.width;
  const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
  for (int64_t r = 0; r < block.rows(); ++r) {
    const float* q = block.q.row(r / block.heads) + r % block.heads * dim;
    for (int64_t i = 0; i < dim; ++i) memory.query[r * width + i] = q[i] * scale;
    memory.most[r * 16] = -HUGE_VALF;
    Store16(Set16(0.0f), memory.sum + r * 16);
    for (int64_t i = 0; i < width; i += 16) Store16(Set16(0.0f), memory.out + r * width + i);
  }
  const int64_t last = (block.position + block.tokens - 1) / kAttentionTile;
  for (int64_t tile = 0; tile <= last; ++tile) AttendTile(block, memory, tile);
  for (int64_t r = 0; r < block.rows(); ++r) {
    const float sum = Sum16(Load16(memory.sum + r * 16));
    const float inverse = 1.0f / sum;
    float* y = block.y.row(r / block.heads) + r % block.heads * dim;
    for (int64_t i = 0; i < dim; ++i) y[i] = memory.out[r * width + i] * inverse;
    if (block.lse != nullptr) {
      block.lse[r / block.heads * block.lse_row + r % block.heads] =
          memory.most[r * 16] + std::log(sum);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::kernels::cpu {

HWY_EXPORT(AttendBlock);

void Attention(Stream& stream, const AttentionShape& shape, std::span<const Segment> segments,
               View<const float> q, std::span<const KeyValueTiles> tiles, View<float> y,
               float* lse) {
  TEMPER_KERNEL_CHECK(shape.kv_heads > 0 && shape.q_heads % shape.kv_heads == 0);
  TEMPER_KERNEL_CHECK(q.cols == shape.q_heads * shape.head_dim && y.cols == q.cols);
  TEMPER_KERNEL_CHECK(tiles.size() == segments.size());
  struct Item {
    int64_t segment;
    int64_t first;  // token of the segment
    int64_t kv_head;
  };
  std::vector<Item> items;
  for (int64_t s = 0; s < static_cast<int64_t>(segments.size()); ++s) {
    for (int64_t first = 0; first < segments[s].length; first += kQueriesPerItem) {
      for (int64_t head = 0; head < shape.kv_heads; ++head) items.push_back({s, first, head});
    }
  }
  const int64_t heads = shape.q_heads / shape.kv_heads, columns = heads * shape.head_dim;
  Cpu(stream).pool().ParallelFor(static_cast<int64_t>(items.size()), [&](int64_t i) {
    static thread_local Scratch scratch;
    const Item& item = items[i];
    const Segment& segment = segments[item.segment];
    const int64_t row = segment.begin + item.first;
    const int64_t tokens = std::min(kQueriesPerItem, segment.length - item.first);
    const QueryBlock block = {
        .position = segment.position + item.first,
        .tokens = tokens,
        .heads = heads,
        .head_dim = shape.head_dim,
        .q = q.Rows(row, tokens).Columns(item.kv_head * columns, columns),
        .y = y.Rows(row, tokens).Columns(item.kv_head * columns, columns),
        .lse = lse == nullptr ? nullptr : lse + row * shape.q_heads + item.kv_head * heads,
        .lse_row = shape.q_heads,
        .tiles = tiles[item.segment],
        .column = item.kv_head * shape.head_dim};
    HWY_DYNAMIC_DISPATCH(AttendBlock)(block, AttentionMemory(block, scratch));
  });
}

// Memory only: not worth the threads.
void StoreTiles(Stream&, std::span<const Segment> segments, View<const float> x,
                std::span<float* const* const> tiles) {
  for (size_t s = 0; s < segments.size(); ++s) {
    const Segment& segment = segments[s];
    for (int64_t i = 0; i < segment.length; ++i) {
      const int64_t position = segment.position + i;
      float* const tile = tiles[s][position / kAttentionTile];
      std::copy_n(x.row(segment.begin + i), x.cols, tile + position % kAttentionTile * x.cols);
    }
  }
}

}  // namespace temper::kernels::cpu
#endif  // HWY_ONCE
