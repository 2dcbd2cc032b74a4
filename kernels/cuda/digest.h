// Fingerprints (kernels/digest.h) of tensors where they lie on a GPU.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/cuda/cuda_stream.h"
#include "kernels/digest.h"

namespace temper::kernels::cuda {

// host_digests[i] = the digest of piece i. Waits for what was asked of the stream before.
void Digest(CudaStream& cuda, std::span<const DigestPiece> pieces, uint64_t* host_digests);

}  // namespace temper::kernels::cuda
