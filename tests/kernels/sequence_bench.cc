// Prints what the recurrence and attention cost on this machine; run by hand.
//
// The recurrence forward does three vector operations a state element: 3 * N * P / 16 cycles with
// one 512-bit FMA a cycle. The FMA rate is measured here, so the fraction of the limit holds for
// the machine at hand.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/kernels/sequence_bench.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"
#include "kernels/cpu/targets.h"
#include "kernels/ops.h"
#include "tests/kernels/oracle.h"

HWY_BEFORE_NAMESPACE();
namespace temper::kernels {
namespace HWY_NAMESPACE {

// Runs twelve independent chains of fused multiply-adds; returns how many float ones that were.
double MultiplyAdds(int64_t steps, float* out) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::CappedTag<float, 16> tag;
  const auto factor = hn::Set(tag, 0.999f), term = hn::Set(tag, 0.5f);
  // Different starts, or the compiler would make one chain of them.
  const auto start = [&](int i) { return hn::Set(tag, static_cast<float>(i)); };
  auto s0 = start(0), s1 = start(1), s2 = start(2), s3 = start(3), s4 = start(4), s5 = start(5);
  auto s6 = start(6), s7 = start(7), s8 = start(8), s9 = start(9), s10 = start(10), s11 = start(11);
  for (int64_t i = 0; i < steps; ++i) {
    s0 = hn::MulAdd(s0, factor, term), s1 = hn::MulAdd(s1, factor, term);
    s2 = hn::MulAdd(s2, factor, term), s3 = hn::MulAdd(s3, factor, term);
    s4 = hn::MulAdd(s4, factor, term), s5 = hn::MulAdd(s5, factor, term);
    s6 = hn::MulAdd(s6, factor, term), s7 = hn::MulAdd(s7, factor, term);
    s8 = hn::MulAdd(s8, factor, term), s9 = hn::MulAdd(s9, factor, term);
    s10 = hn::MulAdd(s10, factor, term), s11 = hn::MulAdd(s11, factor, term);
  }
  s0 =
      hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), hn::Add(hn::Add(s4, s5), hn::Add(s6, s7)));
  hn::StoreU(hn::Add(s0, hn::Add(hn::Add(s8, s9), hn::Add(s10, s11))), tag, out);
  return 12.0 * static_cast<double>(hn::Lanes(tag)) * static_cast<double>(steps);
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::kernels {
namespace {

HWY_EXPORT(MultiplyAdds);

using oracle::Matrix;
using oracle::RandomMatrix;
using oracle::RandomVector;

// Best of several, in seconds: the machine may be shared.
double Time(const std::function<void()>& work) {
  double best = 1e30, total = 0;
  for (int i = 0; i < 200 && (i < 5 || total < 1.0); ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::min(best, seconds);
    total += seconds;
  }
  return best;
}

// Billions of float multiply-adds a second on one core.
double FmaRate() {
  float out[16];
  double count = 0;
  const double seconds = Time([&] { count = HWY_DYNAMIC_DISPATCH(MultiplyAdds)(1000000, out); });
  return count / seconds * 1e-9;
}

void BenchScan(Device& device, double fma_rate, const SsmShape& shape, int64_t segments,
               int64_t length, bool backward) {
  const int64_t rows = segments * length, bc = shape.groups * shape.state;
  const int64_t columns = shape.heads * shape.head_dim;
  const Matrix wide = RandomMatrix(rows, columns + 2 * bc, 1),
               dt = RandomMatrix(rows, shape.heads, 2);
  const Matrix dy = RandomMatrix(rows, columns, 3);
  Matrix y(rows, columns), dwide(rows, wide.cols), ddt(rows, shape.heads);
  const std::vector<float> a_log = RandomVector(shape.heads, 4), d = RandomVector(shape.heads, 5),
                           bias = RandomVector(shape.heads, 6);
  std::vector<float> gradients(3 * shape.heads);
  const auto free_floats = [](float* p) { std::free(p); };
  std::unique_ptr<float, decltype(free_floats)> memory(
      static_cast<float*>(std::aligned_alloc(
          64, sizeof(float) * ((segments * shape.state_floats() + 15) / 16 * 16))),
      free_floats);
  std::fill_n(memory.get(), segments * shape.state_floats(), 0.0f);
  std::vector<Segment> parts;
  std::vector<SsmState> states;
  for (int64_t s = 0; s < segments; ++s) {
    parts.push_back({s * length, length, 0});
    states.push_back({.running = memory.get() + s * shape.state_floats()});
  }
  const SsmInputs inputs = {wide.view().Columns(0, columns), wide.view().Columns(columns, bc),
                            wide.view().Columns(columns + bc, bc), dt.view()};
  const SsmParameters parameters = {a_log.data(), d.data(), bias.data()};
  const double seconds = Time([&] {
    if (!backward) {
      device.ops().ssm_scan(device.stream(), shape, parts, inputs, parameters, states, y);
      return;
    }
    device.ops().ssm_scan_backward(
        device.stream(), shape, parts, inputs, parameters, dy,
        {dwide.view().Columns(0, columns), dwide.view().Columns(columns, bc),
         dwide.view().Columns(columns + bc, bc), ddt.view()},
        {gradients.data(), gradients.data() + shape.heads, gradients.data() + 2 * shape.heads});
  });
  const double each = seconds * 1e6 / (rows * shape.heads) * device.threads();
  const double limit = 3.0 * shape.state * shape.head_dim / (fma_rate * 1e3);
  std::printf("%-9s P=%-3ld N=%-3ld %3ld x %-5ld %d threads  %.4f core-us a token-head, ",
              backward      ? "backward"
              : length == 1 ? "decode"
                            : "forward",
              shape.head_dim, shape.state, segments, length, device.threads(), each);
  std::printf("%.0f %% of the forward's limit %.4f\n", 100 * limit / each, limit);
}

void BenchAttention(Device& device, int64_t segments, int64_t length, bool decode) {
  const AttentionShape shape = {12, 4, 64};
  const int64_t columns = shape.kv_heads * shape.head_dim,
                rows = decode ? segments : segments * length;
  const Matrix q = RandomMatrix(rows, shape.q_heads * shape.head_dim, 1);
  const Matrix k = RandomMatrix(segments * length + kAttentionTile, columns, 2);
  const Matrix v = RandomMatrix(segments * length + kAttentionTile, columns, 3);
  Matrix y(rows, q.cols), lse(rows, shape.q_heads), dq(rows, q.cols), dk(rows, columns),
      dv(rows, columns);
  std::vector<std::vector<const float*>> pointers;
  std::vector<KeyValueTiles> tiles;
  std::vector<Segment> parts;
  for (int64_t s = 0; s < segments; ++s) {
    pointers.emplace_back();
    pointers.emplace_back();
    for (int64_t t = 0; t < length; t += kAttentionTile) {
      pointers[2 * s].push_back(k.row(s * length + t));
      pointers[2 * s + 1].push_back(v.row(s * length + t));
    }
    parts.push_back(decode ? Segment{s, 1, length - 1} : Segment{s * length, length, 0});
  }
  for (int64_t s = 0; s < segments; ++s) {
    tiles.push_back({pointers[2 * s].data(), pointers[2 * s + 1].data(), k.stride});
  }
  const double pairs =
      static_cast<double>(segments) * shape.q_heads * (decode ? length : length * (length + 1) / 2);
  const double forward =
      Time([&] { device.ops().attention(device.stream(), shape, parts, q, tiles, y, lse.row(0)); });
  std::printf("attention %s %3ld x %-5ld %d threads  %.1f GF/s", decode ? "decode " : "forward",
              segments, length, device.threads(), pairs * 4 * shape.head_dim / forward * 1e-9);
  std::printf("  (%.1f us a row)\n", forward * 1e6 / rows);
  if (decode) return;
  const double backward = Time([&] {
    device.ops().attention_backward(device.stream(), shape, parts, q, k.view().Rows(0, rows),
                                    v.view().Rows(0, rows), y, lse.row(0), q, dq, dk, dv);
  });
  std::printf("attention backward %3ld x %-5ld %d threads  %.1f GF/s\n", segments, length,
              device.threads(), pairs * 10 * shape.head_dim / backward * 1e-9);
}

void BenchConvolution(Device& device, int64_t segments, int64_t length) {
  const int64_t channels = 3584, rows = segments * length;
  const Matrix x = RandomMatrix(rows, channels, 1), weight = RandomMatrix(channels, 4, 2);
  const std::vector<float> bias = RandomVector(channels, 3);
  Matrix y(rows, channels), dx(rows, channels), dweight(channels, 4);
  std::vector<float> dbias(channels), memory(segments * 3 * channels, 0.0f);
  std::vector<Segment> parts;
  std::vector<float*> states;
  for (int64_t s = 0; s < segments; ++s) {
    parts.push_back({s * length, length, 0});
    states.push_back(memory.data() + s * 3 * channels);
  }
  const double forward = Time(
      [&] { device.ops().conv_silu(device.stream(), parts, x, weight, bias.data(), states, y); });
  const double backward = Time([&] {
    device.ops().conv_silu_backward(device.stream(), parts, x, weight, bias.data(), x, dx, dweight,
                                    dbias.data());
  });
  std::printf("convolution %ld channels %3ld x %-5ld %d threads  %.3f us a token, backward %.3f\n",
              channels, segments, length, device.threads(), forward * 1e6 / rows,
              backward * 1e6 / rows);
}

void Run() {
  const double rate = FmaRate();
  std::printf("%.1f G multiply-adds a second on one core\n", rate);
  const SsmShape reference = {24, 64, 128, 8}, small = {8, 32, 32, 1};
  for (int threads : {1, 2}) {
    const auto device = OpenCpuDevice(threads);
    for (bool backward : {false, true}) {
      BenchScan(*device, rate, reference, 1, 64, backward);
      BenchScan(*device, rate, reference, 1, 512, backward);
      BenchScan(*device, rate, reference, 8, 64, backward);
      BenchScan(*device, rate, small, 8, 64, backward);
    }
    BenchScan(*device, rate, reference, 1, 1, false);
    BenchScan(*device, rate, reference, 32, 1, false);
    BenchScan(*device, rate, small, 32, 1, false);
    for (int64_t length : {256, 2048}) BenchAttention(*device, 1, length, false);
    BenchAttention(*device, 8, 64, false);
    BenchAttention(*device, 1, 512, true);
    BenchAttention(*device, 32, 512, true);
    BenchConvolution(*device, 4, 128);
    BenchConvolution(*device, 32, 1);
  }
}

}  // namespace
}  // namespace temper::kernels

int main() {
  temper::kernels::Run();
  return 0;
}
#endif  // HWY_ONCE
