// --device of the verbs that compute with a model folder.
#pragma once

#include <string>

#include "CLI/CLI.hpp"
#include "kernels/open_device.h"

namespace temper::cli {

inline void AddDevice(CLI::App& verb, std::string& device) {
  verb.add_option("--device", device, "Where it computes: auto, cpu or cuda:0")
      ->check([](const std::string& name) {
        return std::string(kernels::CheckDeviceName(name).message());
      })
      ->capture_default_str();
}

}  // namespace temper::cli
