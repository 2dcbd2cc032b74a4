// Measures how fast one core turns text into tokens.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace temper::cli {

struct TokenizeBenchOptions {
  std::string model;  // a folder with a tokenizer.json
  std::string text;   // a file of JSON lines; every text value in it is encoded by itself
  int runs = 5;       // the median is reported
  bool json = false;
};

// Prints megabytes of text a second, beside the rate at which the same core only checks that the
// text is valid UTF-8: no tokenizer can do with less than looking at every byte.
absl::Status BenchTokenize(const TokenizeBenchOptions& options);

}  // namespace temper::cli
