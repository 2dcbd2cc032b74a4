// Reading the files that the options name.
#include "orchestrator/cli/credential_options.h"

#include <utility>

#include "base/status_macros.h"

namespace temper::cli {
namespace {

constexpr char kOwnTokenVariable[] = "TEMPER_TOKEN_FILE";

}  // namespace

void AddListenCredentials(CLI::App& verb, CredentialOptions& options) {
  verb.add_option("--tls-dir", options.tls_dir,
                  "Folder with ca.pem, cert.pem, key.pem (`temper certs` makes it): encrypted, and "
                  "callers show a certificate of the same CA");
  verb.add_option("--token-file", options.token_file,
                  "Who may call: lines `role token [name]`, roles admin, worker, verifier, reader; "
                  "mode 0600");
  verb.add_option("--own-token-file", options.own_token_file,
                  "The token presented to the processes called; mode 0600")
      ->envname(kOwnTokenVariable);
}

absl::StatusOr<ListenCredentials> UseListenCredentials(const CredentialOptions& options) {
  TEMPER_RETURN_IF_ERROR(UseClientCredentials(options));
  ListenCredentials demanded;
  demanded.tls = OwnCredentials().tls;
  if (!options.token_file.empty()) {
    TEMPER_ASSIGN_OR_RETURN(demanded.tokens, TokenTable::Read(options.token_file));
  }
  return demanded;
}

void AddClientCredentials(CLI::App& verb, CredentialOptions& options) {
  verb.add_option("--tls-dir", options.tls_dir,
                  "Folder with ca.pem, cert.pem, key.pem (`temper certs` makes it); ca.pem alone "
                  "where a token says who you are");
  verb.add_option("--token-file", options.own_token_file,
                  "File with your token and nothing else; mode 0600")
      ->envname(kOwnTokenVariable);
}

absl::Status UseClientCredentials(const CredentialOptions& options) {
  ClientCredentials own;
  if (!options.tls_dir.empty()) {
    TEMPER_ASSIGN_OR_RETURN(own.tls, ReadTlsDir(options.tls_dir));
  }
  if (!options.own_token_file.empty()) {
    TEMPER_ASSIGN_OR_RETURN(own.token, ReadOwnToken(options.own_token_file));
  }
  SetOwnCredentials(std::move(own));
  return absl::OkStatus();
}

}  // namespace temper::cli
