// Checks what came over the wire, then lays it end to end.
#include "policy/learner/batch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace temper::learner {
namespace {

absl::Status CheckTokens(const Sequence& sequence, int64_t vocab_size) {
  for (size_t i = 0; i < sequence.tokens.size(); ++i) {
    const int32_t token = sequence.tokens[i];
    if (token >= 0 && token < vocab_size) continue;
    return absl::InvalidArgumentError(absl::StrCat(sequence.name, ": token ", i, " is ", token,
                                                   ", expected 0 to ", vocab_size - 1));
  }
  return absl::OkStatus();
}

absl::Status CheckForced(const Sequence& sequence) {
  int64_t last = -1;
  for (const int32_t token : sequence.forced) {
    if (token <= last || token >= sequence.response_tokens()) {
      return absl::InvalidArgumentError(
          absl::StrCat(sequence.name, ": forced token ", token, " after ", last,
                       ", expected ascending indices below ", sequence.response_tokens()));
    }
    last = token;
  }
  return absl::OkStatus();
}

absl::StatusOr<Sequence> PolicySequence(const temper::v1::TrainEpisode& train, int64_t vocab_size) {
  const temper::v1::Episode& episode = train.episode();
  Sequence sequence;
  sequence.name = absl::StrCat("group ", episode.group_id(), " sample ", episode.sample());
  if (episode.prompt_tokens().empty() || episode.tokens().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(sequence.name, ": ", episode.prompt_tokens_size(), " prompt tokens and ",
                     episode.tokens_size(), " response tokens, expected at least one of each"));
  }
  if (episode.logprobs_size() != episode.tokens_size()) {
    return absl::InvalidArgumentError(absl::StrCat(sequence.name, ": ", episode.logprobs_size(),
                                                   " log-probabilities for ", episode.tokens_size(),
                                                   " response tokens"));
  }
  sequence.prompt_tokens = episode.prompt_tokens_size();
  sequence.tokens.assign(episode.prompt_tokens().begin(), episode.prompt_tokens().end());
  sequence.tokens.insert(sequence.tokens.end(), episode.tokens().begin(), episode.tokens().end());
  sequence.sampled_logprobs.assign(episode.logprobs().begin(), episode.logprobs().end());
  sequence.advantage = train.advantage();
  sequence.forced.assign(episode.forced().begin(), episode.forced().end());
  TEMPER_RETURN_IF_ERROR(CheckTokens(sequence, vocab_size));
  TEMPER_RETURN_IF_ERROR(CheckForced(sequence));
  return sequence;
}

void Append(const Sequence& sequence, int32_t index, MicroBatch& batch) {
  model::PackedBatch& packed = batch.packed;
  const int64_t begin = static_cast<int64_t>(packed.tokens.size());
  packed.tokens.insert(packed.tokens.end(), sequence.tokens.begin(), sequence.tokens.end() - 1);
  packed.segments.push_back({.begin = begin, .length = sequence.model_tokens(), .position = 0});
  auto forced = sequence.forced.begin();
  for (int64_t i = 0; i < sequence.response_tokens(); ++i) {
    if (forced != sequence.forced.end() && *forced == i) {
      ++forced;
      continue;
    }
    const int64_t position = sequence.prompt_tokens + i;
    packed.prediction_rows.push_back(static_cast<int32_t>(begin + position - 1));
    packed.prediction_targets.push_back(sequence.tokens[position]);
    batch.sequence_of.push_back(index);
    batch.token_of.push_back(static_cast<int32_t>(i));
  }
}

}  // namespace

absl::StatusOr<std::vector<Sequence>> PolicySequences(const temper::v1::PolicyBatch& batch,
                                                      int64_t vocab_size) {
  std::vector<Sequence> sequences;
  sequences.reserve(batch.episodes_size());
  for (const temper::v1::TrainEpisode& train : batch.episodes()) {
    TEMPER_ASSIGN_OR_RETURN(Sequence sequence, PolicySequence(train, vocab_size));
    sequences.push_back(std::move(sequence));
  }
  return sequences;
}

EndTokens FindEndTokens(const model::PromptEncoder& encoder, std::span<const int32_t> eos) {
  EndTokens ends{.text = eos.front(), .turn = eos.front()};
  if (!encoder.has_template()) return ends;
  constexpr char kExchange[] = R"({"messages": [{"role": "user", "content": "a"},
                                                {"role": "assistant", "content": "b"}]})";
  const auto exchange = encoder.ForMeasure({.id = "probe", .text = "", .chat_json = kExchange});
  if (!exchange.ok()) return ends;  // a template that refuses it; its own words come later
  const auto last = std::find_first_of(exchange->tokens.rbegin(), exchange->tokens.rend(),
                                       eos.begin(), eos.end());
  if (last != exchange->tokens.rend()) ends.turn = *last;
  return ends;
}

absl::StatusOr<std::vector<Sequence>> SupervisedSequences(const temper::v1::SupervisedBatch& batch,
                                                          const model::Tokenizer& tokenizer,
                                                          const model::PromptEncoder& encoder,
                                                          const EndTokens& ends) {
  using Special = model::Tokenizer::Special;
  std::vector<Sequence> sequences;
  sequences.reserve(batch.examples_size());
  for (const temper::v1::SupervisedExample& example : batch.examples()) {
    Sequence sequence;
    sequence.name = absl::StrCat("example ", sequences.size());
    TEMPER_ASSIGN_OR_RETURN(
        model::EncodedPrompt prompt,
        encoder.ForResponse(
            {.id = sequence.name, .text = example.prompt(), .chat_json = example.chat_json()},
            /*content_as_text=*/false));
    sequence.tokens = std::move(prompt.tokens);
    sequence.prompt_tokens = static_cast<int64_t>(sequence.tokens.size());
    const std::vector<int32_t> response =
        tokenizer.Encode(example.response(), Special::kAsText, false);
    sequence.tokens.insert(sequence.tokens.end(), response.begin(), response.end());
    const bool in_turn = !example.chat_json().empty() && encoder.has_template();
    sequence.tokens.push_back(in_turn ? ends.turn : ends.text);
    sequences.push_back(std::move(sequence));
  }
  return sequences;
}

std::vector<MicroBatch> Pack(std::span<const Sequence> sequences, std::span<const int32_t> chosen,
                             int64_t tokens_max, float temperature) {
  std::vector<MicroBatch> batches;
  for (const int32_t index : chosen) {
    const Sequence& sequence = sequences[index];
    const bool fits =
        !batches.empty() &&
        static_cast<int64_t>(batches.back().packed.tokens.size()) + sequence.model_tokens() <=
            tokens_max;
    if (!fits) {
      batches.emplace_back();
      batches.back().packed.temperature = temperature;
    }
    Append(sequence, index, batches.back());
  }
  return batches;
}

}  // namespace temper::learner
