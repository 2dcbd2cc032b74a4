// Files of tasks that strangers wrote: lines of every format, tables, compressed and pickled text.
//
// The first byte chooses the reader; nothing may crash, and what is taken must be whole.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/json_text.h"
#include "base/utf8.h"
#include "orchestrator/eval/csv.h"
#include "orchestrator/eval/inflate.h"
#include "orchestrator/eval/pickled_text.h"
#include "orchestrator/eval/sample_store.h"
#include "orchestrator/eval/task_format.h"

namespace temper::eval {
namespace {

constexpr size_t kInflatedMax = 2 << 20;

void ReadLine(std::string_view text, const TaskFormat& format) {
  const auto line = ParseOrderedJson(text, "fuzz");
  if (!line.ok() || !line->is_object()) return;
  Task task;
  if (!format.read(*line, 7, task).ok()) return;
  TEMPER_CHECK(!task.prompt.empty());
  TEMPER_CHECK(!task.gold.empty() || !task.metadata_json.empty());
}

void ReadSample(std::string_view text) {
  const auto sample = ParseSample(text, "fuzz");
  if (!sample.ok()) return;
  const auto again = ParseSample(ToLine(*sample), "fuzz");
  TEMPER_CHECK(again.ok() && ToLine(*again) == ToLine(*sample));
}

void ReadOne(uint8_t choice, std::string_view text) {
  const auto formats = PublishedFormats();
  if (choice < formats.size()) return ReadLine(text, formats[choice]);
  switch (choice - formats.size()) {
    case 0:
      return (void)ReadCsv(text, [](int, auto) { return absl::OkStatus(); });
    case 1: {
      const auto inside = ReadPickledText(text);
      TEMPER_CHECK(!inside.ok() || ValidUtf8Bytes(*inside) == inside->size());
      return;
    }
    case 2:
    case 3: {
      const auto wrapping = choice % 2 == 0 ? Wrapping::kGzip : Wrapping::kZlib;
      const auto inside = Inflate(text, wrapping, {.bytes_max = kInflatedMax});
      TEMPER_CHECK(!inside.ok() || inside->size() <= kInflatedMax);
      return;
    }
    default:
      return ReadSample(text);
  }
}

}  // namespace
}  // namespace temper::eval

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  temper::eval::ReadOne(data[0] % 14,
                        std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
  return 0;
}
