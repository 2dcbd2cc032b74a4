// Responses of a server that speaks OpenAI's API, several requests at once.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/openai_client.h"
#include "orchestrator/cli/sample_source.h"

namespace temper::cli {

class EndpointSource : public SampleSource {
 public:
  struct Options {
    OpenAiClient::Options client;
    std::string model;
    int concurrency = 16;
    absl::Duration timeout = absl::Seconds(600);  // of one attempt
  };
  static absl::StatusOr<std::unique_ptr<EndpointSource>> Create(Options options);

  // One request a sample, with a seed of its own, so that what is drawn does not depend on what was
  // there before. What the server refuses outright (4xx) ends the drawing: every other request
  // would be refused as well; what fails after all attempts is an error of its sample.
  absl::Status Draw(std::span<const SampleJob> jobs, const Drawing& drawing,
                    const std::function<void(Drawn)>& deliver, const StopToken& stop) override;

 private:
  EndpointSource(Options options, std::unique_ptr<OpenAiClient> client);

  const Options options_;
  const std::unique_ptr<OpenAiClient> client_;
};

}  // namespace temper::cli
