// In place of libhwy, which Debian has as a shared library only: which of the instruction sets that
// our kernels are compiled for this processor has (kernels/cpu/targets.h). For the bundle alone.
#include <hwy/highway.h>

namespace hwy {

int64_t SupportedTargets() {
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                    __builtin_cpu_supports("lzcnt") && __builtin_cpu_supports("f16c");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd");
  int64_t targets = HWY_STATIC_TARGET;
  if (avx2) targets |= HWY_AVX2;
  if (avx512) targets |= HWY_AVX3;
  return targets;
}

ChosenTarget& GetChosenTarget() {
  static ChosenTarget chosen;
  return chosen;
}

}  // namespace hwy
