// --dtype of the verbs that compute with a model folder: how its matrices are held in memory.
#pragma once

#include <optional>
#include <string>

#include "CLI/CLI.hpp"
#include "policy/model/weights.h"

namespace temper::cli {

inline void AddDtype(CLI::App& verb, std::string& dtype) {
  verb.add_option("--dtype", dtype,
                  "How matrices are held: source (bfloat16 where the folder has it, which changes "
                  "no result), float32 or bfloat16")
      ->check(CLI::IsMember({"source", "float32", "bfloat16"}))
      ->capture_default_str();
}

// None: as in the folder.
inline std::optional<kernels::Dtype> DtypeOf(const std::string& dtype) {
  if (dtype == "source") return std::nullopt;
  return dtype == "bfloat16" ? kernels::Dtype::kBFloat16 : kernels::Dtype::kFloat32;
}

// What a device's memory is planned with before the folder's tensors are looked at.
inline kernels::Dtype DtypeToPlanWith(const std::string& dtype) {
  return DtypeOf(dtype).value_or(kernels::Dtype::kBFloat16);
}

}  // namespace temper::cli
