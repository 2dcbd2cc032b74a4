// How a verb reaches the controller that has its run.
//
// The one place where every such verb gets its options, credentials included.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "orchestrator/cli/credential_options.h"
#include "orchestrator/controller_client.h"

namespace temper::cli {

struct ClientOptions {
  std::string controller;     // --controller
  std::string root = "runs";  // --root
  double wait_seconds = 10;   // --wait
  CredentialOptions credentials;
};

// Adds --controller, --root, --wait and the credentials to `verb`.
void AddClientOptions(CLI::App& verb, ClientOptions& options);

// A place where a controller may be, and how we came to it.
struct ControllerPlace {
  std::string address;
  std::string from;  // "--controller", "TEMPER_CONTROLLER" or the file that names it
};

// What the command line named: where the controller may be, and the run.
struct Target {
  std::vector<ControllerPlace> places;  // in the order of trying; may be empty
  std::vector<std::string> looked;      // where no address was found
  std::string run;                      // its name, "" where none was given
  std::string dir;                      // its folder on this machine, "" where there is none
};

// `run`: a name, a folder, a name under --root, or "". --controller, else TEMPER_CONTROLLER, else
// the run folder's own controller.address, else those of the folder around it, of the working
// folder and of --root.
Target FindTarget(const ClientOptions& options, const std::string& run);

// A run on the controller that answers for it.
struct Connection {
  std::unique_ptr<orchestrator::ControllerClient> client;
  std::string run;
  std::string dir;
};

// The first place that accepts a connection; the only place unasked. NOT_FOUND says where was
// looked.
absl::StatusOr<Connection> Connect(const ClientOptions& options, const std::string& run);
absl::StatusOr<Connection> Connect(const ClientOptions& options, const Target& target);

// One document on stdout.
void PrintJson(const google::protobuf::Message& message);

}  // namespace temper::cli
