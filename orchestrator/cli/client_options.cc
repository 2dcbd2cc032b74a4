// Finding the controller of a run.
#include "orchestrator/cli/client_options.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/json_config.h"
#include "base/status_macros.h"
#include "orchestrator/cli/run_folder.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::cli {
namespace {

constexpr char kVariable[] = "TEMPER_CONTROLLER";
constexpr char kAddressFile[] = "controller.address";
// With several places to choose from, each gets so long to accept a connection.
constexpr absl::Duration kProbe = absl::Seconds(1);

// The name that a run folder's spec gives; "" when it cannot be read.
std::string RunName(const std::string& dir) {
  const std::string path = JoinPath(dir, "spec.json");
  const auto text = ReadFile(path);
  v1::RunSpec spec;
  if (!text.ok() || !ParseJsonConfig(*text, path, spec).ok()) return "";
  return spec.name();
}

void AddPlace(Target& target, const std::string& dir) {
  const std::string path = dir.empty() ? kAddressFile : JoinPath(dir, kAddressFile);
  for (const ControllerPlace& place : target.places) {
    if (place.from == path) return;
  }
  auto address = ReadFile(path);
  if (address.ok()) {
    absl::StripAsciiWhitespace(&*address);
    target.places.push_back({*address, path});
  } else {
    target.looked.push_back(path);
  }
}

std::unique_ptr<orchestrator::ControllerClient> Dial(const ClientOptions& options,
                                                     const ControllerPlace& place) {
  const absl::Duration wait = absl::Seconds(options.wait_seconds);
  return std::make_unique<orchestrator::ControllerClient>(
      place.address, orchestrator::ControllerClient::Options{.timeout = absl::Seconds(10) + wait,
                                                             .retry_budget = wait});
}

absl::Status NothingFound(const Target& target) {
  return absl::NotFoundError(
      absl::StrCat(target.run.empty() ? "" : absl::StrCat("run \"", target.run, "\": "),
                   "no controller found: neither --controller nor ", kVariable,
                   " is given, and there is no ", absl::StrJoin(target.looked, ", no "),
                   "; start one with `temper controller --dir runs`, or name it with "
                   "--controller HOST:PORT"));
}

}  // namespace

void AddClientOptions(CLI::App& verb, ClientOptions& options) {
  verb.add_option("--controller", options.controller,
                  absl::StrCat("Address of the controller [", kVariable,
                               ", else the file controller.address of the run's folder, of this "
                               "folder or of --root]"));
  verb.add_option("--root", options.root, "Where run folders are")->capture_default_str();
  verb.add_option("--wait", options.wait_seconds,
                  "Seconds to try while the controller does not answer")
      ->check(CLI::Range(0.0, 86400.0).description(""))
      ->type_name("SECONDS")
      ->capture_default_str();
  AddClientCredentials(verb, options.credentials);
}

Target FindTarget(const ClientOptions& options, const std::string& run) {
  Target target;
  target.run = run;
  if (!run.empty()) {
    if (const auto dir = FindRunFolder(run, options.root); dir.ok()) {
      target.dir = dir->substr(0, dir->find_last_not_of('/') + 1);
      target.run = RunName(*dir);
    }
  }
  const char* const variable = std::getenv(kVariable);
  if (!options.controller.empty()) {
    target.places.push_back({options.controller, "--controller"});
  } else if (variable != nullptr && *variable != '\0') {
    target.places.push_back({variable, kVariable});
  } else {
    if (!target.dir.empty()) {
      AddPlace(target, target.dir);
      AddPlace(target, std::filesystem::path(target.dir).parent_path().string());
    }
    AddPlace(target, "");
    AddPlace(target, options.root);
  }
  return target;
}

absl::StatusOr<Connection> Connect(const ClientOptions& options, const Target& target) {
  TEMPER_RETURN_IF_ERROR(UseClientCredentials(options.credentials));
  if (target.places.empty()) return NothingFound(target);
  std::vector<std::string> tried;
  for (const ControllerPlace& place : target.places) {
    auto client = Dial(options, place);
    if (target.places.size() == 1 || client->Reachable(kProbe)) {
      return Connection{std::move(client), target.run, target.dir};
    }
    tried.push_back(absl::StrCat(place.address, " (", place.from, ")"));
  }
  return absl::UnavailableError(
      absl::StrCat("no controller answers at ", absl::StrJoin(tried, " nor at "),
                   "; is one at work? A file of one that was killed may be left over"));
}

absl::StatusOr<Connection> Connect(const ClientOptions& options, const std::string& run) {
  return Connect(options, FindTarget(options, run));
}

void PrintJson(const google::protobuf::Message& message) {
  std::printf("%s\n", ToJson(message, JsonStyle::kLine).c_str());
}

}  // namespace temper::cli
