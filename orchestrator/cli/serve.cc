// `temper serve`: a model folder behind OpenAI's HTTP API.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "base/openai_server/openai_server.h"
#include "base/status_macros.h"
#include "base/stop.h"
#include "orchestrator/cli/device_option.h"
#include "orchestrator/cli/dtype_option.h"
#include "orchestrator/cli/loaded_model.h"
#include "orchestrator/cli/model_backend.h"
#include "orchestrator/cli/served_prompts.h"
#include "orchestrator/cli/verbs.h"

namespace temper::cli {
namespace {

// Answers under way may end in this time after a signal.
constexpr absl::Duration kGrace = absl::Seconds(10);

struct ServeArguments {
  std::string folder;
  std::string listen = "127.0.0.1:8000";
  std::string name;  // the folder's when empty
  std::string dtype = "source";
  std::string api_key_env;
  std::string device = "auto";
  int threads = 0;
  int sequences = 64;
  int requests = 128;
  int64_t max_tokens = 2048;
};

absl::StatusOr<std::string> ApiKey(const std::string& variable) {
  if (variable.empty()) return "";
  const char* const key = std::getenv(variable.c_str());
  if (key != nullptr && *key != '\0') return key;
  return absl::InvalidArgumentError(
      absl::StrCat("--api-key-env ", variable, ": the variable is not set, or empty"));
}

std::string NameOf(const ServeArguments& arguments) {
  if (!arguments.name.empty()) return arguments.name;
  const std::filesystem::path path = std::filesystem::absolute(arguments.folder).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

absl::StatusOr<std::unique_ptr<LoadedModel>> Load(const ServeArguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<LoadedModel> model,
                          LoadedModel::Open(arguments.folder,
                                            {.name = arguments.device, .threads = arguments.threads},
                                            {.sequences_max = arguments.sequences,
                                             .waiting_max = kWaitingGroupsMax,
                                             .state_bytes_max = StateBytesMax(1),
                                             .dtype = DtypeToPlanWith(arguments.dtype)}));
  TEMPER_RETURN_IF_ERROR(model::CheckLanguageModel(model->folder().config, arguments.folder));
  if (model->folder().tokenizer == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(arguments.folder, ": has no tokenizer.json, without which there is no text"));
  }
  TEMPER_RETURN_IF_ERROR(model->LoadOwnWeights(DtypeOf(arguments.dtype)));
  return model;
}

void Announce(const std::string& address, const std::string& name, bool has_key) {
  log::Info("serving", {{"address", address}, {"model", name}});
  std::printf(
      "temper: %s is served at http://%s/v1; try: curl http://%s/v1/chat/completions "
      "-H 'Content-Type: application/json'%s -d '{\"model\": \"%s\", \"messages\": [{\"role\": "
      "\"user\", \"content\": \"Hello\"}]}'\n",
      name.c_str(), address.c_str(), address.c_str(),
      has_key ? " -H \"Authorization: Bearer $KEY\"" : "", name.c_str());
  std::fflush(stdout);
}

absl::Status ServeFolder(const ServeArguments& arguments) {
  const StopToken& stop = StopOnSignals();
  TEMPER_ASSIGN_OR_RETURN(const std::string api_key, ApiKey(arguments.api_key_env));
  const OpenAiServer::Options options = {
      .listen = arguments.listen, .api_key = api_key, .requests_max = arguments.requests};
  TEMPER_RETURN_IF_ERROR(OpenAiServer::Check(options));
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<LoadedModel> model, Load(arguments));
  TEMPER_ASSIGN_OR_RETURN(const std::optional<int64_t> context, ContextOf(arguments.folder));
  const ServedPrompts prompts(model->folder(), model->chat(), model->added_tokens(),
                              rollout::SizesOf(model->folder().config, model->device()),
                              {.max_tokens = arguments.max_tokens,
                               .context_tokens = context,
                               .state_bytes_max = StateBytesMax(1)});
  const std::string name = NameOf(arguments);
  ModelBackend backend(
      {.id = name, .created = absl::ToUnixSeconds(absl::Now()), .context_tokens = context}, prompts,
      *model->folder().tokenizer, *model->Start());
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<OpenAiServer> server,
                          OpenAiServer::Start(options, backend));
  Announce(server->address(), name, !api_key.empty());
  while (!stop.WaitFor(Wait::ForWork("the signal to end", absl::Hours(1)))) {
  }
  server->Stop(kGrace);
  log::Info("serving ends", {{"tokens", model->progress()}});
  return absl::OkStatus();
}

}  // namespace

void AddServe(CLI::App& program, Chosen& chosen) {
  auto arguments = std::make_shared<ServeArguments>();
  CLI::App* verb = program.add_subcommand(
      "serve",
      "Serve a model folder over OpenAI's HTTP API:\n/v1/chat/completions, /v1/completions, "
      "/v1/models (docs/serving.md)");
  verb->add_option("DIR", arguments->folder, "Model folder")->required();
  verb->add_option("--listen", arguments->listen,
                   "HOST:PORT; port 0 takes a free one; where others can reach it a key is needed")
      ->capture_default_str();
  verb->add_option("--name", arguments->name, "Id of the model for clients; default: the folder's");
  AddDtype(*verb, arguments->dtype);
  AddDevice(*verb, arguments->device);
  verb->add_option("--threads", arguments->threads, "Threads; 0: all cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  verb->add_option("--sequences", arguments->sequences, "Answers that are sampled together")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  verb->add_option("--requests", arguments->requests,
                   "Requests at once, running or waiting; more are answered 429")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  verb->add_option("--max-tokens", arguments->max_tokens,
                   "Longest answer where a request names none")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 31))
      ->capture_default_str();
  verb->add_option("--api-key-env", arguments->api_key_env,
                   "Environment variable with the key that clients must show; none: no key");
  verb->callback([arguments, &chosen] {
    chosen = [arguments] {
      log::Start("serve", "info");
      return Report(ServeFolder(*arguments));
    };
  });
}

}  // namespace temper::cli
