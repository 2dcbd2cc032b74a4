// Products that a library computes: which weights' do, and what stands around a call.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cuda/cublas_lt.h"
#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/tuner.h"
#include "kernels/shapes.h"
#include "kernels/view.h"

namespace temper::kernels::cuda {

// Every weight of a shape that `table` has for this device and library, made from now on in this
// process, is multiplied by the library. At most once, before the first weight is made, so that all
// components have the same bits; all of the process's devices must then be of this kind. `library`
// stays for ever. Without it our own kernels compute everything.
void PinAlgorithms(BlasLibrary& library, const DeviceTraits& device, const AlgorithmTable& table);

// The algorithm of a bfloat16 weight [out, in], or null. Stays where it is.
const Algorithm* PinnedAlgorithm(int64_t out, int64_t in, Direction direction);
BlasLibrary& PinnedLibrary();

// The library sees no other numbers of rows than these, ascending: multiples of 16 to 128, then of
// 128 to 4096. Fewer rows are filled up with zeros, more go in several calls.
const std::vector<int64_t>& LibraryRows();

// y (=|+=) x * transpose(weight), or x * weight backward. weight: [out, in], sides multiples of 8.
// False where the algorithm does not do it; y is unspecified then. x's rows are rounded to
// bfloat16.
bool MultiplyByLibrary(CudaStream& cuda, BlasLibrary& library, const Algorithm& algorithm,
                       Direction direction, View<const float> x, const uint16_t* weight,
                       int64_t out, int64_t in, View<float> y, Write write);

}  // namespace temper::kernels::cuda
