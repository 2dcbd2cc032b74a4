// Where the table of algorithms is.
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "kernels/cuda/algorithms.h"

namespace temper::kernels {

std::string AlgorithmTablePath() {
  if (const char* const chosen = std::getenv("TEMPER_CUDA_ALGORITHMS"); chosen != nullptr) {
    return chosen;
  }
  constexpr char kFile[] = "/temper/cuda_algorithms.txt";
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && cache[0] == '/') return absl::StrCat(cache, kFile);
  const char* const home = std::getenv("HOME");
  return home != nullptr && home[0] == '/' ? absl::StrCat(home, "/.cache", kFile) : "";
}

}  // namespace temper::kernels
