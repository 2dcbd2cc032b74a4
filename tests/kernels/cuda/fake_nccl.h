// An NCCL of one rank in host memory, whose answers tests choose.
#pragma once

#include <string>

namespace temper::kernels::cuda {

struct FakeNccl {
  int answers_under_way = 0;  // so many times it answers that it is not done yet; negative: always
  std::string failure;        // what it fails with, or ""
  int joined = 0, aborted = 0;
};
FakeNccl& TheFakeNccl();

}  // namespace temper::kernels::cuda
