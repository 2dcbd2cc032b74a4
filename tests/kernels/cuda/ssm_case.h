// What tests of the recurrence share: the inputs of a call, and the call on the CPU and the device.
#pragma once

#include <numeric>
#include <vector>

#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {

// x, b and c are column slices of one wide matrix, as in the model: where their widths are in
// fours, the device reads four floats at a time.
struct SsmCase {
  SsmShape shape;
  std::vector<Segment> segments;
  oracle::Matrix wide, dt;
  std::vector<float> a_log, d, bias;

  static int64_t Width(const SsmShape& s) { return s.heads * s.head_dim + 2 * s.groups * s.state; }
  SsmCase(SsmShape shape, const std::vector<int64_t>& lengths, uint64_t seed = 1)
      : shape(shape),
        wide(oracle::RandomMatrix(std::accumulate(lengths.begin(), lengths.end(), int64_t{0}),
                                  Width(shape), seed, 1.0f, 4)),
        dt(oracle::RandomMatrix(wide.rows, shape.heads, seed + 1, 1.0f, 3)),
        a_log(oracle::RandomVector(shape.heads, 3, 0.7f)),
        d(oracle::RandomVector(shape.heads, 4)),
        bias(oracle::RandomVector(shape.heads, 5, 1.0f, -1.0f)) {
    int64_t begin = 0;
    for (int64_t length : lengths) {
      segments.push_back({begin, length, 0});
      begin += length;
    }
  }
  int64_t rows() const { return wide.rows; }
  int64_t columns() const { return shape.heads * shape.head_dim; }
  int64_t bc() const { return shape.groups * shape.state; }

  SsmInputs Inputs(View<const float> wide_view, View<const float> dt_view) const {
    return {wide_view.Columns(0, columns()), wide_view.Columns(columns(), bc()),
            wide_view.Columns(columns() + bc(), bc()), dt_view};
  }
  SsmParameters Parameters() const { return {a_log.data(), d.data(), bias.data()}; }
};

class CudaSsmTest : public CudaTest {
 protected:
  // A sequence's state before its first token, its boundaries written in place. Its boundary is
  // NaN: nobody reads it in the first chunk. `shift`: floats past an aligned place.
  SsmState FreshState(const SsmCase& in, int64_t shift = 0) {
    const SsmStateSize size = cuda().ssm_state_size(in.shape);
    float* const boundary = Put(std::vector<float>(size.boundary + shift, NAN)) + shift;
    return {.running = Put(std::vector<float>(size.running + shift, 0.0f)) + shift,
            .boundary = boundary,
            .next_boundary = boundary};
  }
  // Goes on alone: its next boundary goes to a place of its own, the one it has is read only.
  SsmState Fork(const SsmCase& in, const SsmState& state) {
    const SsmStateSize size = cuda().ssm_state_size(in.shape);
    return {.running = Put(Get(state.running, size.running)),
            .boundary = state.boundary,
            .next_boundary = Put(std::vector<float>(size.boundary, NAN))};
  }
  // The case in the device's memory.
  struct Placed {
    SsmInputs inputs;
    SsmParameters parameters;
  };
  Placed Place(const SsmCase& in) {
    return {in.Inputs(Put(in.wide), Put(in.dt)), {Put(in.a_log), Put(in.d), Put(in.bias)}};
  }

  oracle::Matrix CpuScan(const SsmCase& in) {
    oracle::Matrix y(in.rows(), in.columns());
    cpu().ssm_scan(cpu_stream(), in.shape, in.segments, in.Inputs(in.wide, in.dt), in.Parameters(),
                   {}, y);
    return y;
  }
  oracle::Matrix Scan(const SsmCase& in, const Placed& placed,
                      const std::vector<SsmState>& states = {}) {
    const View<float> y = Empty(in.rows(), in.columns());
    cuda().ssm_scan(cuda_stream(), in.shape, in.segments, placed.inputs, placed.parameters, states,
                    y);
    return Get(y);
  }
};

}  // namespace temper::kernels
