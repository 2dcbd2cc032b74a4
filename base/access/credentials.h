// What a listener demands and what a client presents, as values; read once at the start.
//
// A folder for --tls-dir holds ca.pem (whom to trust), cert.pem and key.pem (who we are; the key
// readable by its owner alone). The role of a client stands in its certificate's common name,
// "worker:NAME". `temper certs` makes such folders; base/access/certificates.h says how.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/access/token_file.h"

namespace temper {

// PEM texts. certificate and key are both empty for a client that only checks its server.
struct TlsIdentity {
  std::string ca;
  std::string certificate;
  std::string key;
};

// Refuses what gRPC would refuse later and in fewer words: an unreadable file, a key that is not
// the certificate's, a certificate of another CA, expired or not yet valid. Only ca.pem: no
// identity.
absl::StatusOr<TlsIdentity> ReadTlsDir(const std::string& dir);

// Neither given: everybody is admin, on loopback addresses and unix sockets alone.
struct ListenCredentials {
  std::optional<TlsIdentity> tls;
  std::optional<TokenTable> tokens;
  bool demanded() const { return tls.has_value() || tokens.has_value(); }
};

struct ClientCredentials {
  std::optional<TlsIdentity> tls;  // with it every connection is TLS
  std::string token;               // empty: none is sent
};

// Metadata by which a client says whose hands are at work ($USER): a name for logs where a
// certificate or token carries none, never a proof.
inline constexpr char kUserMetadata[] = "temper-user";

// What this process presents when Dial() is not told otherwise. Set once by main, before the
// process dials or has other threads.
void SetOwnCredentials(ClientCredentials credentials);
const ClientCredentials& OwnCredentials();

}  // namespace temper
