// Readers of one line each; see task_format.h. Options are shuffled by `seed` and the question.
#pragma once

#include "absl/status/status.h"
#include "nlohmann/json.hpp"
#include "orchestrator/eval/task.h"

namespace temper::eval {

absl::Status ReadGsm8k(const nlohmann::ordered_json& line, uint64_t seed, Task& task);
absl::Status ReadMath(const nlohmann::ordered_json& line, uint64_t seed, Task& task);
absl::Status ReadAime(const nlohmann::ordered_json& line, uint64_t seed, Task& task);
absl::Status ReadGpqa(const nlohmann::ordered_json& line, uint64_t seed, Task& task);
absl::Status ReadMmluPro(const nlohmann::ordered_json& line, uint64_t seed, Task& task);
absl::Status ReadHumanEval(const nlohmann::ordered_json& line, uint64_t seed, Task& task);
absl::Status ReadMbpp(const nlohmann::ordered_json& line, uint64_t seed, Task& task);
absl::Status ReadLiveCodeBench(const nlohmann::ordered_json& line, uint64_t seed, Task& task);
absl::Status ReadIfeval(const nlohmann::ordered_json& line, uint64_t seed, Task& task);

}  // namespace temper::eval
