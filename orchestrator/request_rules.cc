// Keys of the randomness, order of the examples, fields of an item.
#include "orchestrator/request_rules.h"

#include "base/philox.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "orchestrator/train_options.h"

namespace temper::orchestrator {
namespace {

v1::SupervisedExample ExampleOf(const Row& row) {
  v1::SupervisedExample example;
  example.set_prompt(row.prompt);
  example.set_chat_json(row.chat_json);
  example.set_response(row.response);
  return example;
}

using Pairs = google::protobuf::RepeatedPtrField<v1::PreferencePair>;

// One pair for each rejected response of the line.
void AddPairs(const Row& row, double weight, Pairs& pairs) {
  for (const std::string& rejected : row.rejected) {
    v1::PreferencePair& pair = *pairs.Add();
    pair.set_prompt(row.prompt);
    pair.set_chat_json(row.chat_json);
    pair.set_chosen(row.chosen);
    pair.set_rejected(rejected);
    pair.set_weight(weight);
  }
}

bool HeldOutIsDue(const v1::WarmStart& stage, int64_t step) {
  return (step + 1) % stage.held_out().every() == 0 || step + 1 == stage.steps();
}

}  // namespace

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

absl::StatusOr<v1::TrainRequest> WarmStartRequestAt(const ResolvedSpec& resolved,
                                                    const WarmStartRows& rows, int64_t step) {
  const v1::RunSpec& spec = resolved.spec;
  const v1::WarmStart& stage = spec.warm_start();
  const auto size = static_cast<uint64_t>(rows.rows->size());
  const auto batch = static_cast<uint64_t>(stage.batch_size());
  const bool scaled = stage.preference_loss() == "scaled_bradley_terry";
  v1::TrainRequest request;
  request.set_step(step);
  *request.mutable_options() = TrainOptionsAt(resolved, step);
  for (uint64_t i = 0; i < batch; ++i) {
    const uint64_t position = static_cast<uint64_t>(step) * batch + i;
    const uint64_t row =
        PermutedIndex(spec.seed(), HashName("warm_start") + position / size, size, position % size);
    TEMPER_ASSIGN_OR_RETURN(const Row read, rows.rows->Read(static_cast<int64_t>(row)));
    if (resolved.makes_reward_model()) {
      AddPairs(read, scaled ? read.margin : 1.0, *request.mutable_preference()->mutable_pairs());
    } else {
      *request.mutable_supervised()->add_examples() = ExampleOf(read);
    }
  }
  if (rows.held_out == nullptr || !HeldOutIsDue(stage, step)) return request;
  for (int64_t i = 0; i < rows.held_out->size(); ++i) {
    TEMPER_ASSIGN_OR_RETURN(const Row read, rows.held_out->Read(i));
    AddPairs(read, 1.0, *request.mutable_preference()->mutable_held_out());
  }
  return request;
}

v1::ScoreItem ScoreItemOf(const v1::Group& group, const Response& response, int max_tokens) {
  v1::ScoreItem item;
  item.set_group_id(group.id());
  item.set_sample(response.sample);
  item.set_prompt(group.prompt().text());
  item.set_chat_json(group.prompt().chat_json());
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
