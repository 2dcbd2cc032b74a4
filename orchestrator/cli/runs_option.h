// --runs: how many runs a worker serves at once.
#pragma once

#include "CLI/CLI.hpp"

namespace temper::cli {

inline CLI::Option* AddRuns(CLI::App& verb, int& runs) {
  return verb.add_option("--runs", runs, "Runs to serve at once; the controller assigns no more")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
}

}  // namespace temper::cli
