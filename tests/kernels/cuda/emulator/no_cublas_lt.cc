// In place of cuBLASLt, which has no emulator.
#include "kernels/cuda/cublas_lt.h"

namespace temper::kernels::cuda {

std::unique_ptr<BlasLibrary> OpenCublasLt() { return nullptr; }

}  // namespace temper::kernels::cuda
