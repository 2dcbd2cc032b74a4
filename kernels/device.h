// The place where arithmetic runs: its ops, its stream of work and its memory.
//
// One Device per component (engine, learner), used from that component's loop thread only.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "kernels/view.h"

namespace temper::kernels {

struct Ops;

// Order of execution on a device. On the CPU it owns the threads that share an op's work.
class Stream {
 public:
  virtual ~Stream() = default;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual const Ops& ops() const = 0;
  virtual Stream& stream() = 0;
  // Threads that share an op's work; results never depend on it.
  virtual int threads() const = 0;
};

// Cores this process may use, which may be fewer than the machine has.
int CoresAllowed();

// In words, the widest instructions that kernels use here: "cpu avx512", "cpu avx2", "cpu scalar".
std::string DescribeCpu();

// threads <= 0: one per core this process may use.
std::unique_ptr<Device> OpenCpuDevice(int threads);

}  // namespace temper::kernels
