// A ledger with one finished policy step in it, for tests that read or break one.
#pragma once

#include <memory>
#include <vector>

#include "base/check.h"
#include "orchestrator/ledger.h"

namespace temper::orchestrator {

inline std::shared_ptr<v1::Episode> SmallEpisode(int64_t group, int sample) {
  auto episode = std::make_shared<v1::Episode>();
  episode->set_group_id(group);
  episode->set_sample(sample);
  episode->add_prompt_tokens(5);
  for (int i = 0; i < 3; ++i) {
    episode->add_tokens(10 * static_cast<int>(group) + i);
    episode->add_logprobs(-0.5f * static_cast<float>(i + 1 + sample));
  }
  episode->add_versions(0);
  episode->set_text("the text");
  episode->set_finish_reason(v1::FINISH_REASON_STOP);
  episode->set_entropy_sum(1.5);
  return episode;
}

inline OpenGroup SmallGroup(int64_t id, int64_t step, bool evaluation = false) {
  OpenGroup open{.samples = evaluation ? 1 : 2, .evaluation = evaluation};
  open.group.set_id(id);
  open.group.set_step(step);
  open.group.mutable_prompt()->set_id("p");
  open.group.mutable_prompt()->set_text("a prompt");
  open.group.set_answer("42");
  open.group.set_metadata_json("{}");
  return open;
}

inline v1::Score SmallScore(double value) {
  v1::Score score;
  score.set_value(value);
  score.set_reason("because");
  return score;
}

// Group 1, samples 0 and 1, up to the state asked for.
inline std::vector<LedgerWrite> WritesUpTo(SampleState state) {
  std::vector<LedgerWrite> writes = {SmallGroup(1, 0), LeaseSamples{1, {0, 1}, 1, "rollout-0"}};
  if (state == SampleState::kIssued) return writes;
  for (const int sample : {0, 1}) writes.push_back(RecordEpisode{1, SmallEpisode(1, sample)});
  if (state == SampleState::kGenerated) return writes;
  for (const int sample : {0, 1}) writes.push_back(RecordScore{1, sample, SmallScore(sample)});
  if (state == SampleState::kScored) return writes;
  FixBatch batch{.step = 0, .entries = {{1, 0, -0.7}, {1, 1, 0.7}}};
  batch.options.set_learning_rate(0.25);
  writes.push_back(std::move(batch));
  RecordStep step{.step = 0, .weights_digest = std::string("\0\1bytes", 7)};
  step.metrics.set_version(1);
  step.metrics.set_reward_mean(0.1);
  writes.push_back(std::move(step));
  return writes;
}

inline v1::RunEvent NoteEvent(int64_t sequence, const std::string& note) {
  v1::RunEvent event;
  event.set_sequence(sequence);
  event.set_time_ms(1000 + sequence);
  event.set_note(note);
  return event;
}

}  // namespace temper::orchestrator
