// The life of a version: batch in, gradient, update, publication, checkpoint.
#include "policy/learner/trainer.h"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/weights_fingerprint.h"
#include "kernels/open_device.h"
#include "policy/learner/expert_balance.h"
#include "policy/learner/preference_pass.h"
#include "policy/learner/train_options.h"
#include "policy/model/device_memory.h"
#include "policy/model/shared_values.h"

namespace temper::learner {
namespace {

constexpr int64_t kFloat = sizeof(float);
constexpr int64_t kFileChunk = int64_t{16} << 20;  // pinned, while a file is made

using temper::v1::TrainMetrics;
using temper::v1::TrainRequest;
using temper::v1::TrainResponse;

int64_t PeakMemoryBytes() {
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

// Of what is trained, whatever the run is called: a repeated step is known by it.
std::string DigestOf(const TrainRequest& request) {
  if (request.run().empty()) return Xxh3Digest(request.SerializeAsString());
  TrainRequest nameless = request;
  nameless.clear_run();
  return Xxh3Digest(nameless.SerializeAsString());
}

// Where it is not what the checkpoint's own digests make.
std::string PublishedFingerprint(const temper::v1::WeightsManifest& manifest) {
  if (KindOf(manifest) == kXxh3Digests) return "";
  return WeightsFingerprint(manifest);
}

TrainMetrics MetricsOf(const PassTotals& totals) {
  const double tokens = static_cast<double>(std::max<int64_t>(totals.loss_tokens, 1));
  TrainMetrics metrics;
  metrics.set_loss(totals.loss);
  metrics.set_entropy(totals.entropy / tokens);
  metrics.set_kl(totals.k3 / tokens);
  metrics.set_clip_fraction(static_cast<double>(totals.clipped) / tokens);
  metrics.set_logprob_mismatch(totals.mismatches);
  metrics.set_tokens(totals.tokens);
  metrics.set_loss_tokens(totals.loss_tokens);
  return metrics;
}

TrainMetrics MetricsOf(const PreferenceTotals& totals) {
  TrainMetrics metrics;
  metrics.set_loss(totals.loss);
  metrics.set_tokens(totals.tokens);
  metrics.set_loss_tokens(2 * totals.pairs);  // each response's last
  metrics.set_pair_accuracy(totals.accuracy());
  metrics.set_pair_margin(totals.margin());
  return metrics;
}

}  // namespace

Trainer::Trainer(const Options& options, model::ModelFolder folder, model::FolderWords words,
                 std::unique_ptr<kernels::Device> device, std::atomic<int64_t>& progress)
    : options_(options),
      folder_(std::move(folder)),
      words_(std::move(words)),
      encoder_(folder_.tokenizer.get(), words_.chat.has_value() ? &*words_.chat : nullptr,
               words_.added_tokens),
      layout_(folder_.config),
      device_(std::move(device)),
      checkpoints_(JoinPath(options.run_dir, "checkpoints"), options.model_dir, folder_.config,
                   layout_),
      references_(JoinPath(options.run_dir, "reference"), options.model_dir, folder_.config,
                  layout_),
      progress_(progress),
      values_(*device_, layout_.size(), device_->AllocateShared(model::SharedBytes(layout_))),
      gradients_(*device_, layout_.size()),
      optimizer_(layout_, *device_),
      model_(folder_.config, layout_, *device_) {}

absl::StatusOr<std::unique_ptr<Trainer>> Trainer::Open(const Options& options,
                                                       std::atomic<int64_t>& progress) {
  TEMPER_ASSIGN_OR_RETURN(model::ModelFolder folder, model::OpenModelFolder(options.model_dir));
  TEMPER_ASSIGN_OR_RETURN(model::FolderWords words,
                          model::FolderWords::Read(folder.path, folder.tokenizer != nullptr));
  TEMPER_ASSIGN_OR_RETURN(
      std::unique_ptr<kernels::Device> device,
      kernels::OpenDevice({.name = options.device, .threads = options.threads}));
  const model::ParameterLayout layout(folder.config);
  TEMPER_RETURN_IF_ERROR(
      model::CheckRoom(*device, layout, model::TrainingBytes(layout, options.dtype), "training"));
  std::unique_ptr<Trainer> trainer(
      new Trainer(options, std::move(folder), std::move(words), std::move(device), progress));
  TEMPER_RETURN_IF_ERROR(trainer->Load());
  trainer->ShareValues();
  TEMPER_ASSIGN_OR_RETURN(trainer->store_,
                          WeightStore::Open({.run_dir = options.run_dir,
                                             .shared_dir = options.shared_dir,
                                             .learner_address = options.learner_address,
                                             .run = options.run}));
  TEMPER_RETURN_IF_ERROR(trainer->Answer().status());
  progress.fetch_add(1, std::memory_order_relaxed);
  return trainer;
}

absl::Status Trainer::Load() {
  model::DeviceFloats& first = optimizer_.first_moment();
  model::DeviceFloats& second = optimizer_.second_moment();
  TEMPER_ASSIGN_OR_RETURN(std::optional<CheckpointRecord> record,
                          checkpoints_.LoadNewest({.values = values_.host(),
                                                   .first_moment = first.host(),
                                                   .second_moment = second.host()}));
  if (record.has_value()) {
    record_ = *std::move(record);
  } else {  // a corrupt checkpoint may have filled something
    for (model::DeviceFloats* array : {&values_, &first, &second}) {
      std::ranges::fill(array->host(), 0.0f);
    }
    TEMPER_RETURN_IF_ERROR(model::ReadWeights(options_.model_dir, layout_, values_.host()));
  }
  for (model::DeviceFloats* array : {&values_, &first, &second}) array->ToDevice();
  optimizer_.set_updates(record_.updates);
  weights_ = std::make_unique<model::Weights>(
      layout_, *device_, values_.device(),
      model::WeightOptions{
          .backward = true, .dtype = options_.dtype, .values = kernels::Place::kDevice});
  log::Info("weights loaded", {{"version", record_.version}, {"parameters", layout_.parameters()}});
  return absl::OkStatus();
}

absl::StatusOr<std::optional<TrainResponse>> Trainer::Recorded(const TrainRequest& request,
                                                               const std::string& digest) {
  if (request.step() == record_.version) return std::optional<TrainResponse>();
  if (request.step() > record_.version) {
    return absl::FailedPreconditionError(
        absl::StrCat("step ", request.step(), ": the learner holds version ", record_.version,
                     "; send the steps from there again"));
  }
  if (request.step() < record_.version - 1 || digest != record_.request_digest) {
    return absl::AlreadyExistsError(absl::StrCat(
        "step ", request.step(), ": was trained ",
        request.step() < record_.version - 1 ? "long ago" : "with another batch or other options",
        "; the learner holds version ", record_.version));
  }
  TEMPER_ASSIGN_OR_RETURN(TrainResponse response, Answer());
  return std::optional(std::move(response));
}

absl::StatusOr<TrainResponse> Trainer::Answer() {
  Manifest manifest = store_->newest();
  if (manifest == nullptr || manifest->version() != record_.version) {
    TEMPER_ASSIGN_OR_RETURN(manifest, Publish());
  }
  TrainResponse response;
  response.set_version(record_.version);
  if (!response.mutable_metrics()->ParseFromString(record_.metrics)) {
    return absl::DataLossError("the recorded metrics of the last step do not parse");
  }
  *response.mutable_manifest() = *manifest;
  return response;
}

void Trainer::ShareValues() {
  if (device_->shares_host_memory()) return;
  absl::StatusOr<std::string> handle = device_->Share(values_.memory());
  if (handle.ok()) {
    values_handle_ = *std::move(handle);
    return;
  }
  log::Warning("workers cannot open this GPU's memory; they fetch the weights",
               {{"why", std::string(handle.status().message())}});
}

void Trainer::MarkValues(int64_t version) {
  if (device_->shares_host_memory() || version == marked_version_) return;
  marked_version_ = version;
  device_->Copy(values_.memory().as<char>() + model::SharedVersionAt(layout_), &marked_version_,
                sizeof(marked_version_));
}

absl::StatusOr<Manifest> Trainer::Publish() {
  if (device_->shares_host_memory()) {
    return store_->Publish(record_.version, layout_, values_.host());
  }
  MarkValues(record_.version);  // a step may have been skipped
  std::vector<kernels::DigestPiece> pieces;
  for (const model::ParameterSpec& spec : layout_.specs()) {
    pieces.push_back({values_.device().data() + spec.offset, spec.size * kFloat});
  }
  ValuesOnDevice values{.digests = std::vector<uint64_t>(pieces.size()), .handle = values_handle_};
  device_->Digest(pieces, values.digests.data());
  const bool file_wanted = store_->file_wanted();
  Manifest manifest = store_->PublishOnDevice(record_.version, layout_, values);
  if (file_wanted) {
    if (const absl::Status made = MakeFile(record_.version); !made.ok()) {
      log::Warning("no file of the weights; who asks will be told why",
                   {{"version", record_.version}, {"why", std::string(made.message())}});
    }
  }
  return manifest;
}

absl::Status Trainer::MakeFile(int64_t version) {
  if (version != record_.version) {
    return absl::NotFoundError(absl::StrCat("weights of version ", version,
                                            ": gone by, or not made yet; the newest is ",
                                            record_.version));
  }
  const kernels::Memory chunk =
      device_->Allocate(std::min(kFileChunk, layout_.size() * kFloat), kernels::Place::kHost);
  return store_->AddFile(version, [&](int64_t offset, int64_t left) {
    const int64_t bytes = std::min(left, chunk.bytes());
    device_->Copy(chunk.as<char>(), values_.memory().as<char>() + offset, bytes);
    device_->Finish();
    progress_.fetch_add(1, std::memory_order_relaxed);
    return std::span(chunk.as<const std::byte>(), static_cast<size_t>(bytes));
  });
}

absl::StatusOr<TrainResponse> Trainer::Train(const TrainRequest& request) {
  const std::string digest = DigestOf(request);
  TEMPER_ASSIGN_OR_RETURN(std::optional<TrainResponse> recorded, Recorded(request, digest));
  if (recorded.has_value()) return *std::move(recorded);

  const absl::Time start = absl::Now();
  TEMPER_ASSIGN_OR_RETURN(TrainMetrics metrics, Update(request));
  metrics.set_learning_rate(request.options().learning_rate());
  metrics.set_seconds(absl::ToDoubleSeconds(absl::Now() - start));
  metrics.set_peak_memory(PeakMemoryBytes());
  record_ = {.version = request.step() + 1,
             .updates = optimizer_.updates(),
             .request_digest = digest,
             .metrics = metrics.SerializeAsString()};
  // When this fails the step stays made; the same request again only publishes.
  return Answer();
}

absl::StatusOr<std::vector<Sequence>> Trainer::Sequences(const TrainRequest& request) const {
  if (request.has_policy()) return PolicySequences(request.policy(), folder_.config.vocab_size);
  if (!request.has_supervised()) {
    return absl::InvalidArgumentError("batch: missing, expected policy, supervised or preference");
  }
  if (folder_.tokenizer == nullptr || folder_.config.eos_token_ids.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        options_.model_dir, ": has no ", folder_.tokenizer == nullptr ? "tokenizer" : "eos token",
        ", which supervised batches need"));
  }
  return SupervisedSequences(request.supervised(), *folder_.tokenizer, encoder_,
                             FindEndTokens(encoder_, folder_.config.eos_token_ids));
}

absl::StatusOr<TrainMetrics> Trainer::TokenGradient(const TrainRequest& request) {
  TEMPER_RETURN_IF_ERROR(model::CheckLanguageModel(folder_.config, folder_.path));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Sequence> sequences, Sequences(request));
  TEMPER_ASSIGN_OR_RETURN(const PassOptions pass,
                          request.has_policy() ? PolicyPass(request.options(), sequences)
                                               : SupervisedPass(request.options(), sequences));
  if (request.has_policy()) {
    TEMPER_RETURN_IF_ERROR(EnsureReference(pass.objective.kl > 0));
  }
  GradientPass gradient_pass(model_, *weights_, reference_.get(), progress_);
  TEMPER_ASSIGN_OR_RETURN(const PassTotals totals,
                          gradient_pass.Run(sequences, pass, gradients_.device()));
  return MetricsOf(totals);
}

absl::StatusOr<TrainMetrics> Trainer::PreferenceGradient(const TrainRequest& request) {
  TEMPER_RETURN_IF_ERROR(CheckPreferenceOptions(request.options()));
  if (!folder_.config.reward_head) {
    return absl::InvalidArgumentError(absl::StrCat(
        folder_.path, ": has no reward head (ForSequenceClassification), which pairs train"));
  }
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Pair> pairs,
                          EncodePairs(request.preference().pairs(), encoder_));
  if (pairs.empty()) {
    return absl::InvalidArgumentError("batch: holds nothing, expected at least one pair");
  }
  PreferencePass pass(model_, *weights_, progress_);
  return MetricsOf(
      pass.Train(pairs, request.options().tokens_per_micro_batch(), gradients_.device()));
}

absl::StatusOr<TrainMetrics> Trainer::Update(const TrainRequest& request) {
  TEMPER_ASSIGN_OR_RETURN(const AdamW adamw, AdamWOptions(request.options()));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Pair> held_out,
                          EncodePairs(request.preference().held_out(), encoder_));
  gradients_.Zero();
  model_.ResetExpertLoads();
  TEMPER_ASSIGN_OR_RETURN(TrainMetrics metrics, request.has_preference()
                                                    ? PreferenceGradient(request)
                                                    : TokenGradient(request));
  Step(request, adamw, metrics);
  if (!held_out.empty()) {
    PreferencePass pass(model_, *weights_, progress_);
    const int64_t tokens = request.options().tokens_per_micro_batch();
    metrics.set_held_out_accuracy(pass.Measure(held_out, tokens).accuracy());
  }
  return metrics;
}

void Trainer::Step(const TrainRequest& request, const AdamW& adamw, TrainMetrics& metrics) {
  const LoadSummary load = Summarize(model_.expert_loads());
  metrics.set_expert_load_max(load.max);
  metrics.set_experts_idle(load.idle);
  optimizer_.Mask(adamw, gradients_.device());
  const double norm = optimizer_.GradientNorm(gradients_.device());
  metrics.set_grad_norm(norm);
  metrics.set_skipped(!Optimizer::Safe(adamw, norm) || !std::isfinite(metrics.loss()));
  if (metrics.skipped()) {
    log::Warning("update skipped: the loss or a gradient is not finite",
                 {{"step", request.step()}, {"loss", metrics.loss()}, {"grad_norm", norm}});
    return;
  }
  MarkValues(request.step() + 1);
  optimizer_.Update(adamw, norm, gradients_.device(), values_.device());
  if (load.max > 0) {  // there are experts
    BalanceExperts(layout_, model_.expert_loads(), request.options().balance_rate(), *device_,
                   values_.device());
  }
  weights_->Repack(values_.device(), kernels::Place::kDevice);
}

absl::Status Trainer::EnsureReference(bool needed) {
  if (reference_on_disk_ && (!needed || reference_ != nullptr)) return absl::OkStatus();
  const std::optional<int64_t> newest = references_.NewestVersion();
  std::vector<float> values(layout_.size());
  if (newest.has_value() && *newest <= record_.version) {
    // A damaged reference is an error: another one would be another run.
    TEMPER_RETURN_IF_ERROR(references_.Load(*newest, {.values = values}).status());
  } else {
    if (newest.has_value()) {  // the run was begun anew in the same folder
      TEMPER_RETURN_IF_ERROR(RemoveAll(references_.PathOf(*newest)));
    }
    values_.CopyTo(values);
    TEMPER_RETURN_IF_ERROR(
        references_.Save({.version = record_.version}, {.values = values}, {.keep = 1}).status());
  }
  reference_on_disk_ = true;
  if (!needed) return absl::OkStatus();
  reference_ = std::make_unique<model::Weights>(layout_, *device_, values,
                                                model::WeightOptions{.dtype = options_.dtype});
  // On the host it goes on reading them.
  if (device_->shares_host_memory()) reference_values_ = std::move(values);
  return absl::OkStatus();
}

absl::StatusOr<temper::v1::SaveCheckpointResponse> Trainer::SaveCheckpoint(
    const temper::v1::SaveCheckpointRequest& request) {
  if (request.version() > record_.version) {
    return absl::FailedPreconditionError(absl::StrCat("checkpoint of version ", request.version(),
                                                      ": the learner holds version ",
                                                      record_.version));
  }
  absl::StatusOr<CheckpointRecord> saved;
  if (request.version() == record_.version) {
    model::DeviceFloats& first = optimizer_.first_moment();
    model::DeviceFloats& second = optimizer_.second_moment();
    for (model::DeviceFloats* array : {&values_, &first, &second}) array->ToHost();
    CheckpointRecord record = record_;
    record.published = PublishedFingerprint(*store_->newest());
    saved = checkpoints_.Save(
        std::move(record),
        {.values = values_.host(), .first_moment = first.host(), .second_moment = second.host()},
        {.keep = request.keep(), .pinned = {request.pinned().begin(), request.pinned().end()}});
  } else {
    saved = checkpoints_.Verify(request.version());
  }
  TEMPER_RETURN_IF_ERROR(saved.status());
  progress_.fetch_add(1, std::memory_order_relaxed);
  temper::v1::SaveCheckpointResponse response;
  response.set_path(checkpoints_.PathOf(request.version()));
  response.set_sha256(saved->sha256);
  return response;
}

}  // namespace temper::learner
