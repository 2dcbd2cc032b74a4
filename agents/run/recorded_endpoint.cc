// Traits without a server.
#include "agents/run/recorded_endpoint.h"

#include "base/check.h"

namespace temper::agents {
namespace {

using Json = nlohmann::ordered_json;

class RecordedEndpoint : public Endpoint {
 public:
  explicit RecordedEndpoint(Traits traits) : traits_(std::move(traits)) {}
  int room() const override { return 0; }
  int64_t Start(EndpointCall, std::function<void(EndpointEnd)>) override { TEMPER_CHECK(false); }
  void Cancel(int64_t) override {}
  int64_t AddListener(std::function<void()>) override { return 0; }
  void RemoveListener(int64_t) override {}
  const Traits& traits() const override { return traits_; }
  int64_t PromptTokensMax(const Json&) const override { return 0; }

 private:
  const Traits traits_;
};

}  // namespace

std::string RoleIdentity(const Role& role, const Endpoints& endpoints) {
  const auto found = endpoints.find(role.endpoint);
  TEMPER_CHECK(found != endpoints.end());
  Json identity = {{"server", found->second->traits().revision},
                   {"model", role.model},
                   {"max_tokens", role.max_tokens}};
  if (role.temperature.has_value()) identity["temperature"] = *role.temperature;
  if (role.top_p.has_value()) identity["top_p"] = *role.top_p;
  if (role.seed.has_value()) identity["seed"] = *role.seed;
  if (!role.stop.empty()) identity["stop"] = role.stop;
  if (!role.extra.is_null()) identity["extra"] = role.extra;
  return identity.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string RecordEndpoints(const Endpoints& endpoints) {
  Json all = Json::object();
  for (const auto& [name, endpoint] : endpoints) {
    const Endpoint::Traits& traits = endpoint->traits();
    all[name] = {{"samples_max", traits.samples_max},
                 {"usd_per_million_in", traits.usd_per_million_in},
                 {"usd_per_million_out", traits.usd_per_million_out},
                 {"reward", traits.reward},
                 {"revision", traits.revision}};
  }
  return all.dump();
}

absl::StatusOr<Endpoints> RecordedEndpoints(const std::string& json) {
  const Json all = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!all.is_object()) return absl::DataLossError("the recorded endpoints cannot be read");
  Endpoints endpoints;
  for (const auto& [name, one] : all.items()) {
    if (!one.is_object() || !one.contains("revision") || !one["revision"].is_string()) {
      return absl::DataLossError("the recorded endpoints cannot be read");
    }
    Endpoint::Traits traits{.name = name,
                            .samples_max = one.value("samples_max", int64_t{1}),
                            .usd_per_million_in = one.value("usd_per_million_in", 0.0),
                            .usd_per_million_out = one.value("usd_per_million_out", 0.0),
                            .reward = one.value("reward", false),
                            .revision = one["revision"].get<std::string>()};
    endpoints[name] = std::make_unique<RecordedEndpoint>(std::move(traits));
  }
  return endpoints;
}

}  // namespace temper::agents
