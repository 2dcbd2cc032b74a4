// One loop for all; one wire and one line each.
#include "agents/endpoint/open_endpoints.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/endpoint/call_line.h"
#include "agents/endpoint/fake_endpoint.h"
#include "agents/endpoint/http/openai_endpoint.h"
#include "agents/endpoint/http/reward_endpoint.h"
#include "agents/endpoint/multi_loop.h"
#include "agents/endpoint/rollout_endpoint.h"
#include "base/check.h"
#include "base/philox.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

struct Opened {
  std::unique_ptr<Wire> wire;
  std::string revision;
};

absl::StatusOr<Opened> OpenFake(const EndpointSpec& spec, uint64_t seed, MultiLoop& loop) {
  std::shared_ptr<const FakeScript> script = std::make_shared<const FakeScript>();
  if (!spec.script.empty()) {
    TEMPER_ASSIGN_OR_RETURN(script, FakeScript::Read(spec.script));
  }
  return Opened{
      .wire = std::make_unique<FakeWire>(
          FakeWire::Options{.script = script, .idle_timeout = spec.timeouts.idle, .seed = seed},
          loop),
      .revision = absl::StrCat("fake:", script->digest())};
}

absl::StatusOr<Opened> OpenHttp(const EndpointSpec& spec, MultiLoop& loop) {
  std::unique_ptr<HttpDialect> dialect;
  if (spec.kind == EndpointKind::kOpenAi) {
    dialect = std::make_unique<OpenAiDialect>(spec.return_token_ids);
  } else {
    dialect = MakeRewardDialect(spec.kind);
  }
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<HttpWire> wire,
                          HttpWire::Create(spec, loop, std::move(dialect)));
  return Opened{.wire = std::move(wire),
                .revision = absl::StrCat(KindName(spec.kind), ":", spec.url)};
}

Opened OpenRollout(const EndpointSpec& spec, MultiLoop& loop) {
  RolloutWire::Options options{.address = spec.address,
                               .run = spec.run,
                               .version = spec.version,
                               .timeout = spec.timeouts.total,
                               .threads = spec.concurrency};
  const std::string version =
      spec.version.has_value() ? absl::StrCat(*spec.version) : std::string("current");
  return {.wire = std::make_unique<RolloutWire>(std::move(options), loop),
          .revision = absl::StrCat("rollout:", spec.address, spec.run.empty() ? "" : "/", spec.run,
                                   "@", version)};
}

absl::StatusOr<Opened> Open(const EndpointSpec& spec, uint64_t seed, MultiLoop& loop) {
  switch (spec.kind) {
    case EndpointKind::kFake:
      return OpenFake(spec, seed, loop);
    case EndpointKind::kRollout:
      return OpenRollout(spec, loop);
    default:
      return OpenHttp(spec, loop);
  }
}

}  // namespace

absl::StatusOr<Endpoints> OpenEndpoints(const std::vector<EndpointSpec>& specs,
                                        const EndpointsContext& context) {
  TEMPER_CHECK(context.clock != nullptr);
  const auto loop = std::make_shared<MultiLoop>(*context.clock, context.stop);
  Endpoints endpoints;
  for (const EndpointSpec& spec : specs) {
    const uint64_t seed = Philox(context.seed, HashName(spec.name), 0)[0];
    TEMPER_ASSIGN_OR_RETURN(Opened opened, Open(spec, seed, *loop));
    CallLine::Options options{
        .traits = {.name = spec.name,
                   .samples_max = IsReward(spec) ? 1 : spec.n_max,
                   .usd_per_million_in = spec.usd_per_million_in,
                   .usd_per_million_out = spec.usd_per_million_out,
                   .reward = IsReward(spec),
                   .revision = spec.revision.empty() ? opened.revision : spec.revision},
        .concurrency = spec.concurrency,
        .grow_after = spec.grow_after,
        .retry = spec.retry,
        .seed = seed};
    endpoints.emplace(spec.name,
                      std::make_unique<CallLine>(std::move(options), loop, std::move(opened.wire)));
  }
  return endpoints;
}

}  // namespace temper::agents
