// The three services, and the membership of those who seem to serve them.
#include "orchestrator/cli/control_plane_fleet.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/digest.h"
#include "base/grpc_status.h"
#include "base/philox.h"
#include "base/status_macros.h"
#include "orchestrator/cli/run_folder.h"
#include "orchestrator/core.h"
#include "temper/v1/fleet.grpc.pb.h"
#include "temper/v1/learner.grpc.pb.h"
#include "temper/v1/reward.grpc.pb.h"
#include "temper/v1/rollout.grpc.pb.h"

namespace temper::cli {
namespace {

constexpr int kTemplates = 64;
constexpr int kPromptTokens = 48;
constexpr uint32_t kVocabulary = 131072;
constexpr absl::Duration kBeat = absl::Milliseconds(250);
constexpr absl::Duration kCallTimeout = absl::Seconds(5);

v1::WeightsManifest ManifestOf(int64_t version) {
  v1::WeightsManifest manifest;
  manifest.set_version(version);
  v1::TensorDigest& tensor = *manifest.add_tensors();
  tensor.set_name("weights");
  tensor.set_digest(Xxh3Digest(absl::StrCat("version ", version)));
  return manifest;
}

v1::Episode RandomEpisode(uint64_t number, int tokens) {
  v1::Episode episode;
  for (int i = 0; i < kPromptTokens; ++i) episode.add_prompt_tokens(i);
  std::string text;
  for (int i = 0; i < tokens; ++i) {
    const auto drawn = Philox(1, number, static_cast<uint64_t>(i));
    episode.add_tokens(static_cast<int32_t>(drawn[0] % kVocabulary));
    episode.add_logprobs(-static_cast<float>(drawn[1]) * 1e-9f);
    for (const int shift : {0, 8, 16}) {
      text += static_cast<char>('a' + (drawn[2] >> shift & 0xff) % 26);
    }
    text += ' ';
  }
  episode.set_text(std::move(text));
  episode.set_finish_reason(v1::FINISH_REASON_STOP);
  episode.set_entropy_sum(tokens);
  return episode;
}

}  // namespace

class AnsweringFleet::Learner final : public v1::LearnerService::Service {
  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::GetStatusResponse* response) override {
    *response->mutable_manifest() = ManifestOf(version_);
    return grpc::Status::OK;
  }
  grpc::Status Train(grpc::ServerContext*, const v1::TrainRequest* request,
                     v1::TrainResponse* response) override {
    const int64_t made = request->step() + 1;
    if (made > version_ + 1) {
      return {grpc::StatusCode::FAILED_PRECONDITION, absl::StrCat("at version ", version_.load())};
    }
    version_ = std::max(version_.load(), made);
    response->set_version(made);
    *response->mutable_manifest() = ManifestOf(made);
    return grpc::Status::OK;
  }
  grpc::Status SaveCheckpoint(grpc::ServerContext*, const v1::SaveCheckpointRequest*,
                              v1::SaveCheckpointResponse*) override {
    return {grpc::StatusCode::UNIMPLEMENTED, "this learner holds no weights"};
  }

  std::atomic<int64_t> version_{0};
};

class AnsweringFleet::Reward final : public v1::RewardService::Service {
  grpc::Status Score(grpc::ServerContext*, const v1::ScoreRequest* request,
                     v1::ScoreResponse* response) override {
    for (const v1::ScoreItem& item : request->items()) {
      v1::ScoreResult& result = *response->add_results();
      result.set_group_id(item.group_id());
      result.set_sample(item.sample());
      const double value = Philox(2, static_cast<uint64_t>(item.group_id()),
                                  static_cast<uint64_t>(item.sample()))[0] %
                           2;
      result.mutable_score()->set_value(value);
      result.mutable_score()->set_reason(value > 0 ? "equal" : "not equal");
      v1::ScorePart& part = *result.mutable_score()->add_parts();
      part.set_verifier("answer");
      part.set_value(value);
      part.set_verdict(value > 0 ? "equal" : "not_equal");
    }
    return grpc::Status::OK;
  }
};

class AnsweringFleet::Rollout final : public v1::RolloutService::Service {
 public:
  Rollout(int tokens, std::atomic<int64_t>& episodes) : episodes_(episodes) {
    for (uint64_t i = 0; i < kTemplates; ++i) templates_.push_back(RandomEpisode(i, tokens));
  }

 private:
  grpc::Status UpdateWeights(grpc::ServerContext*, const v1::UpdateWeightsRequest* request,
                             v1::UpdateWeightsResponse* response) override {
    response->set_version(request->manifest().version());
    response->set_digest(orchestrator::ManifestDigest(request->manifest()));
    return grpc::Status::OK;
  }
  grpc::Status Generate(grpc::ServerContext*, const v1::GenerateRequest* request,
                        grpc::ServerWriter<v1::GenerateResponse>* writer) override {
    for (const int32_t sample : request->samples()) {
      v1::GenerateResponse response;
      response.set_lease_epoch(request->lease_epoch());
      v1::Episode& episode = *response.mutable_episode();
      episode = templates_[static_cast<size_t>(request->group_id() * 7 + sample) % kTemplates];
      episode.set_group_id(request->group_id());
      episode.set_sample(sample);
      episode.add_versions(request->version());
      if (!writer->Write(response)) return {grpc::StatusCode::CANCELLED, "the caller left"};
      ++episodes_;
    }
    return grpc::Status::OK;
  }

  std::vector<v1::Episode> templates_;
  std::atomic<int64_t>& episodes_;
};

namespace {

// One name in the fleet; its pid stays 0, so that nobody ends this process for it.
class Member {
 public:
  Member(v1::Role role, std::string name, const std::string& address) {
    request_.set_role(role);
    request_.set_name(std::move(name));
    request_.set_address(address);
    request_.set_incarnation(absl::StrCat("bench-", absl::GetCurrentTimeNanos()));
    v1::Capabilities& can = *request_.mutable_capabilities();
    can.set_host_id(HostId());
    can.set_device("cpu");
    can.set_threads(1);
    can.set_memory_bytes(int64_t{64} << 30);
    can.add_dtypes("float32");
    can.set_runs_max(8);
  }

  // Registers, or beats and reports every assigned run as open.
  absl::Status Beat(v1::FleetService::Stub& controller) {
    absl::Status status = absl::NotFoundError("new");
    if (registered_) {
      v1::HeartbeatRequest beat;
      beat.set_name(request_.name());
      beat.set_incarnation(request_.incarnation());
      for (const std::string& run : runs_) beat.add_ready(run);
      v1::HeartbeatResponse answer;
      const BlockingCall context(Wait::OrRetry("the answer to a beat", kCallTimeout));
      status = FromGrpc(controller.Heartbeat(context.get(), beat, &answer));
      if (status.ok() && !answer.assignments().empty()) Take(answer.assignments());
    }
    registered_ = status.ok();
    if (!absl::IsNotFound(status)) return status;
    v1::RegisterResponse answer;
    const BlockingCall context(Wait::OrRetry("the controller's welcome", kCallTimeout));
    status = FromGrpc(controller.Register(context.get(), request_, &answer));
    registered_ = status.ok();
    if (status.ok()) Take(answer.assignments());
    return status;
  }
  void Forget() { registered_ = false; }

 private:
  template <class Assignments>
  void Take(const Assignments& assignments) {
    runs_.clear();
    for (const v1::Assignment& assignment : assignments) runs_.push_back(assignment.run());
  }

  v1::RegisterRequest request_;
  bool registered_ = false;
  std::vector<std::string> runs_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<AnsweringFleet>> AnsweringFleet::Start(const Options& options) {
  std::unique_ptr<AnsweringFleet> fleet(new AnsweringFleet(options));
  fleet->learner_ = std::make_unique<Learner>();
  fleet->reward_ = std::make_unique<Reward>();
  fleet->rollout_ = std::make_unique<Rollout>(options.tokens, fleet->episodes_);
  TEMPER_ASSIGN_OR_RETURN(
      fleet->listening_,
      Listen("127.0.0.1:0", {fleet->learner_.get(), fleet->reward_.get(), fleet->rollout_.get()}));
  fleet->beating_ = Thread("beats", [raw = fleet.get()] { raw->Beat(); });
  return fleet;
}

AnsweringFleet::AnsweringFleet(Options options) : options_(std::move(options)) {}

AnsweringFleet::~AnsweringFleet() {
  stop_.Stop();
  if (beating_.joinable()) beating_.Join(kLoopEnd, WaitPolicy::kFail);
  if (listening_.server != nullptr) {
    ShutDown(*listening_.server, absl::Milliseconds(200));
  }
}

// A controller that was started anew has another address, and knows nobody.
void AnsweringFleet::Beat() {
  std::vector<Member> members;
  members.emplace_back(v1::ROLE_LEARNER, "learner", listening_.address);
  members.emplace_back(v1::ROLE_REWARD, "reward", listening_.address);
  for (int i = 0; i < options_.rollout_workers; ++i) {
    members.emplace_back(v1::ROLE_ROLLOUT, absl::StrCat("rollout-", i), listening_.address);
  }
  std::string address;
  std::unique_ptr<v1::FleetService::Stub> controller;
  while (!stop_.stopped()) {
    const absl::StatusOr<std::string> found = ControllerAddress(options_.dir);
    if (found.ok() && *found != address) {
      address = *found;
      controller = v1::FleetService::NewStub(Dial(address));
      for (Member& member : members) member.Forget();
    }
    for (Member& member : members) {
      if (controller == nullptr || !member.Beat(*controller).ok()) break;
    }
    (void)stop_.WaitFor(Wait::ForWork("the next beat", kBeat));
  }
}

}  // namespace temper::cli
