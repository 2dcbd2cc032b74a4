// Feeds arbitrary bytes to the reader of config.json; what is accepted must make a layout.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "policy/model/config.h"
#include "policy/model/parameters.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto config = temper::model::ParseModelConfig(text, "config.json");
  if (!config.ok()) {
    TEMPER_CHECK(!config.status().message().empty());
    return 0;
  }
  const temper::model::ParameterLayout layout(*config);
  TEMPER_CHECK(layout.parameters() > 0 && layout.size() >= layout.parameters());
  TEMPER_CHECK(config->Pattern().size() == config->layers.size());
  return 0;
}
