// Prints what the core's turns cost when every worker answers at once, without network and ledger;
// run by hand: core_bench [GROUPS] [GROUP_SIZE] [EVENTS_PER_TURN] [STEPS].
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/digest.h"
#include "orchestrator/core.h"
#include "tests/orchestrator/simulated_world.h"

namespace temper::orchestrator {
namespace {

// Processor time of this thread: others may use the machine too.
double Now() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

v1::WeightsManifest ManifestOf(int64_t version) {
  v1::WeightsManifest manifest;
  manifest.set_version(version);
  manifest.add_tensors()->set_digest(Xxh3Digest(absl::StrCat(version)));
  return manifest;
}

ResolvedSpec LargeSpec(int groups, int group_size) {
  v1::RunSpec spec = SimulatedSpec().given;
  spec.clear_warm_start();
  spec.clear_evaluate();
  spec.set_steps(1 << 20);
  spec.set_prompts_per_step(groups);
  spec.set_group_size(group_size);
  spec.mutable_checkpoint()->set_every(1 << 20);
  spec.mutable_fleet()->set_sequences_max(groups * group_size);
  auto resolved = ResolveSpec(spec, ".");
  TEMPER_CHECK(resolved.ok());
  return *std::move(resolved);
}

class AnsweringWorld {
 public:
  AnsweringWorld(int groups, int group_size)
      : rows_({{.id = "a", .prompt = "1 + 1", .answer = "2", .metadata_json = "{}"}}),
        core_(LargeSpec(groups, group_size), {.dataset = &rows_}, {}, now_) {
    due_.push_back(WorkerJoined{v1::ROLE_LEARNER, "learner", "1", "a"});
    due_.push_back(WorkerJoined{v1::ROLE_REWARD, "reward", "1", "a"});
    due_.push_back(WorkerJoined{v1::ROLE_ROLLOUT, "rollout-0", "1", "a"});
    due_.push_back(WorkerJoined{v1::ROLE_ROLLOUT, "rollout-1", "1", "a"});
  }

  void Run(int64_t steps, size_t events_per_turn) {
    while (version_ < steps) {
      std::vector<Event> events;
      while (!due_.empty() && events.size() < events_per_turn) {
        events.push_back(std::move(due_.front()));
        due_.pop_front();
      }
      now_ += absl::Milliseconds(1);
      const double start = Now();
      Turn turn = core_.Handle(events, now_);
      (void)core_.NextTick();
      times_.push_back(Now() - start);
      TEMPER_CHECK(!core_.ended());
      for (const Action& action : turn.actions) {
        std::visit([this](const auto& what) { Answer(what); }, action);
      }
    }
  }

  void Print() {
    double total = 0;
    for (const double time : times_) total += time;
    std::sort(times_.begin(), times_.end());
    const double count = static_cast<double>(times_.size());
    std::printf(
        "%ld samples in %.0f turns: %.2f us/sample; a turn %.3f ms, p50 %.3f, p99 %.3f, "
        "longest %.3f\n",
        static_cast<long>(samples_), count, 1e6 * total / static_cast<double>(samples_),
        1e3 * total / count, 1e3 * times_[times_.size() / 2],
        1e3 * times_[times_.size() * 99 / 100], 1e3 * times_.back());
  }

 private:
  void Answer(const AskStatus& ask) {
    due_.push_back(
        LearnerStatus{ask.call, std::make_shared<v1::WeightsManifest>(ManifestOf(version_))});
  }
  void Answer(const UpdateWeights& update) {
    v1::UpdateWeightsResponse response;
    response.set_version(update.manifest->version());
    response.set_digest(ManifestDigest(*update.manifest));
    due_.push_back(WeightsUpdated{update.call, std::move(response)});
  }
  void Answer(const Generate& generate) {
    for (const int sample : generate.request->samples()) {
      auto episode = std::make_shared<v1::Episode>();
      episode->set_group_id(generate.request->group_id());
      episode->set_sample(sample);
      episode->add_tokens(1);
      episode->add_logprobs(-1);
      episode->add_versions(generate.request->version());
      episode->set_text("2");
      due_.push_back(EpisodeArrived{generate.request->lease_epoch(), std::move(episode)});
      ++samples_;
    }
  }
  void Answer(const ScoreEpisodes& score) {
    auto response = std::make_shared<v1::ScoreResponse>();
    for (const v1::ScoreItem& item : score.request->items()) {
      v1::ScoreResult& result = *response->add_results();
      result.set_group_id(item.group_id());
      result.set_sample(item.sample());
      result.mutable_score()->set_value(item.sample() % 2);
    }
    due_.push_back(ScoresArrived{score.call, std::move(response)});
  }
  void Answer(const Train& train) {
    auto response = std::make_shared<v1::TrainResponse>();
    response->set_version(version_ = train.step + 1);
    *response->mutable_manifest() = ManifestOf(version_);
    due_.push_back(Trained{train.call, std::move(response)});
  }
  template <class Other>
  void Answer(const Other&) {
    TEMPER_CHECK(false);  // nothing fails here, and nothing is kept
  }

  absl::Duration now_ = absl::Seconds(1);
  FakeRows rows_;
  RunCore core_;
  std::deque<Event> due_;
  int64_t version_ = 0, samples_ = 0;
  std::vector<double> times_;
};

}  // namespace
}  // namespace temper::orchestrator

int main(int argc, char** argv) {
  const auto argument = [&](int i, int otherwise) {
    return argc > i ? std::atoi(argv[i]) : otherwise;
  };
  temper::orchestrator::AnsweringWorld world(argument(1, 512), argument(2, 16));
  world.Run(argument(4, 3), static_cast<size_t>(argument(3, 64)));
  world.Print();
  return 0;
}
