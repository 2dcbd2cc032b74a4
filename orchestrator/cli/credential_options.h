// --tls-dir, --token-file and --own-token-file: what a verb demands of its callers and presents to
// those it calls.
//
// A verb adds them with its other options and calls Use...Credentials() first thing when chosen,
// before it dials or starts threads: Dial() presents what was read.
#pragma once

#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/access/credentials.h"

namespace temper::cli {

struct CredentialOptions {
  std::string tls_dir;
  std::string token_file;      // of a listener: who may call
  std::string own_token_file;  // what is presented; $TEMPER_TOKEN_FILE
};

// For verbs that listen, and call others too.
void AddListenCredentials(CLI::App& verb, CredentialOptions& options);
// What Listen() is to demand.
absl::StatusOr<ListenCredentials> UseListenCredentials(const CredentialOptions& options);

// For verbs that only call: --token-file is the own one.
void AddClientCredentials(CLI::App& verb, CredentialOptions& options);
absl::Status UseClientCredentials(const CredentialOptions& options);

}  // namespace temper::cli
