// The CPU's stream: nothing but the threads that share an op's work.
#pragma once

#include "kernels/cpu/thread_pool.h"
#include "kernels/device.h"

namespace temper::kernels::cpu {

class CpuStream final : public Stream {
 public:
  explicit CpuStream(int threads) : pool_(threads) {}
  ThreadPool& pool() { return pool_; }

 private:
  ThreadPool pool_;
};

// The stream that OpenCpuDevice made; every CPU op starts with it.
inline CpuStream& Cpu(Stream& stream) { return static_cast<CpuStream&>(stream); }

}  // namespace temper::kernels::cpu
