// Tries a library's algorithms on the device for one shape of weight.
#pragma once

#include <cstdint>

#include "kernels/cuda/cublas_lt.h"
#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/tuner.h"

namespace temper::kernels::cuda {

// The tuner's own plan, and every number of rows that the library will ever see: nothing unproven
// runs.
TunerPlan WholePlan();

// Chooses among the library's candidates for a bfloat16 weight [out, in]. Runs for seconds, and
// only when a tool asks; what it chose goes into the table (tuner.h) for later processes. A result
// that is not, within rounding, that of our own kernels is refused like an algorithm that does not
// run.
Choice TuneWeight(CudaStream& stream, BlasLibrary& library, int64_t out, int64_t in,
                  Direction direction, const TunerPlan& plan = WholePlan());

}  // namespace temper::kernels::cuda
