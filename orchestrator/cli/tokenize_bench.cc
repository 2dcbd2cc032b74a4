// Encodes the texts of a file over and over, on one thread, by the time that it has the processor.
#include "orchestrator/cli/tokenize_bench.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "policy/model/tokenizer/tokenizer.h"

namespace temper::cli {
namespace {

using model::Tokenizer;

struct Texts {
  std::vector<std::string> list;
  size_t bytes = 0;
};

absl::StatusOr<Texts> ReadTexts(const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const std::string file, ReadFile(path));
  Texts texts;
  int64_t number = 0;
  for (const absl::string_view line : absl::StrSplit(file, '\n')) {
    ++number;
    if (line.empty()) continue;
    TEMPER_ASSIGN_OR_RETURN(
        const nlohmann::json object,
        ParseJson({line.data(), line.size()}, absl::StrCat(path, ": line ", number)));
    for (const nlohmann::json& value : object) {
      if (!value.is_string()) continue;
      texts.bytes += texts.list.emplace_back(value).size();
    }
  }
  if (texts.bytes > 0) return texts;
  return absl::InvalidArgumentError(absl::StrCat(path, ": found no text, expected JSON lines"));
}

// Processor time of this thread: on a machine that others use too, "per core" means just that.
double Now() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double Seconds(const std::function<void()>& work) {
  const double start = Now();
  work();
  return Now() - start;
}

// Sorted; the first run, which also warms the caches, is left out.
std::vector<double> Times(int runs, const std::function<void()>& work) {
  std::vector<double> times;
  work();
  for (int i = 0; i < runs; ++i) times.push_back(Seconds(work));
  std::sort(times.begin(), times.end());
  return times;
}

}  // namespace

absl::Status BenchTokenize(const TokenizeBenchOptions& options) {
  if (options.model.empty() || options.text.empty()) {
    return absl::InvalidArgumentError(
        "bench tokenize needs a folder with a tokenizer.json, and text: --model DIR --text "
        "FILE.jsonl");
  }
  TEMPER_ASSIGN_OR_RETURN(const Texts texts, ReadTexts(options.text));
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer;
  const double load_seconds =
      Seconds([&] { tokenizer = Tokenizer::Read(JoinPath(options.model, "tokenizer.json")); });
  TEMPER_RETURN_IF_ERROR(tokenizer.status());

  size_t tokens = 0, valid = 0;
  const std::vector<double> encode = Times(options.runs, [&] {
    tokens = 0;
    for (const std::string& text : texts.list) {
      tokens += (*tokenizer)->Encode(text, Tokenizer::Special::kParse, true).size();
    }
  });
  const std::vector<double> check = Times(options.runs, [&] {
    for (const std::string& text : texts.list) valid += ValidUtf8Bytes(text);
  });
  const double seconds = encode[encode.size() / 2];
  const double value = static_cast<double>(texts.bytes) / seconds / 1e6;
  const double limit = static_cast<double>(texts.bytes) / check.front() / 1e6;
  if (!options.json) {
    std::printf("tokenize: %.2f MB/s, %.0f tokens/s on one core (median of %d runs; %zu texts, ",
                value, static_cast<double>(tokens) / seconds, options.runs, texts.list.size());
    std::printf("%zu bytes, %zu tokens)\n", texts.bytes, tokens);
    std::printf("limit: %.0f MB/s, looking at every byte once; loading took %.3f s\n", limit,
                load_seconds);
    return absl::OkStatus();
  }
  const nlohmann::json line = {
      {"name", "tokenize"},
      {"value", value},
      {"unit", "MB/s"},
      {"limit", limit},
      {"fraction", value / limit},
      {"details",
       {{"texts", texts.list.size()},
        {"bytes", texts.bytes},
        {"tokens", tokens},
        {"valid_bytes", valid / (options.runs + 1)},
        {"tokens_per_second", static_cast<double>(tokens) / seconds},
        {"threads", 1},
        {"runs", options.runs},
        {"seconds", seconds},
        {"seconds_min", encode.front()},
        {"seconds_max", encode.back()},
        {"load_seconds", load_seconds},
        {"limit_formula", "looking at every byte once: is it valid UTF-8?"}}}};
  std::printf("%s\n", line.dump().c_str());
  return absl::OkStatus();
}

}  // namespace temper::cli
