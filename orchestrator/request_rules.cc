// Keys of the randomness, order of the examples, fields of an item.
#include "orchestrator/request_rules.h"

#include "base/philox.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "orchestrator/train_options.h"

namespace temper::orchestrator {

std::string TaskOf(const v1::Group& group) {
  const auto metadata = nlohmann::json::parse(group.metadata_json(), nullptr, false);
  if (!metadata.is_object()) return "";
  const auto task = metadata.find("task");
  return task != metadata.end() && task->is_string() ? task->get<std::string>() : "";
}

v1::Sampling SamplingAt(const v1::RunSpec& spec, int64_t version) {
  v1::Sampling sampling;
  sampling.set_temperature(spec.temperature());
  sampling.set_max_tokens(spec.max_tokens());
  *sampling.mutable_stop() = spec.stop();
  const auto drawn = Philox(spec.seed(), HashName("sampling"), static_cast<uint64_t>(version));
  sampling.set_seed(uint64_t{drawn[0]} << 32 | drawn[1]);
  return sampling;
}

absl::StatusOr<v1::TrainRequest> SupervisedRequestAt(const ResolvedSpec& resolved,
                                                     const RowSource& rows, int64_t step) {
  const v1::RunSpec& spec = resolved.spec;
  const auto size = static_cast<uint64_t>(rows.size());
  const auto batch = static_cast<uint64_t>(spec.warm_start().batch_size());
  v1::TrainRequest request;
  request.set_step(step);
  *request.mutable_options() = TrainOptionsAt(resolved, step);
  for (uint64_t i = 0; i < batch; ++i) {
    const uint64_t position = static_cast<uint64_t>(step) * batch + i;
    const uint64_t row =
        PermutedIndex(spec.seed(), HashName("warm_start") + position / size, size, position % size);
    TEMPER_ASSIGN_OR_RETURN(const Row read, rows.Read(static_cast<int64_t>(row)));
    v1::SupervisedExample& example = *request.mutable_supervised()->add_examples();
    example.set_prompt(read.prompt);
    example.set_response(read.response);
  }
  return request;
}

v1::ScoreItem ScoreItemOf(const v1::Group& group, const Response& response, int max_tokens) {
  v1::ScoreItem item;
  item.set_group_id(group.id());
  item.set_sample(response.sample);
  item.set_prompt(group.prompt().text());
  item.set_response(response.text);
  item.set_answer(group.answer());
  item.set_finish_reason(response.finish);
  item.set_metadata_json(group.metadata_json());
  item.set_tokens(static_cast<int32_t>(response.tokens));
  item.set_tokens_max(max_tokens);
  item.set_task(TaskOf(group));
  return item;
}

}  // namespace temper::orchestrator
