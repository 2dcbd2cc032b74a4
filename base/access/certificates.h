// A small certificate authority: who is made, for how long, and where the files lie.
//
// EC P-256 keys, SHA-256, random serial numbers. Certificates of roles that listen carry the hosts
// they are reached at and may serve and call; those of people may call only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/access/credentials.h"

namespace temper {

struct CertificateOrder {
  std::string common_name;         // "worker:gpu-1"
  std::vector<std::string> hosts;  // names and addresses it is reached at; none: it only calls
  absl::Time from;
  absl::Time to;
};

// PEM texts. Not thread safe: one owner.
class CertificateAuthority {
 public:
  static CertificateAuthority Make(absl::Time from, absl::Time to);
  static absl::StatusOr<CertificateAuthority> Read(const std::string& certificate,
                                                   const std::string& key);

  const std::string& certificate() const { return certificate_; }
  const std::string& key() const { return key_; }

  // INVALID_ARGUMENT: a host that is neither a name nor an address.
  absl::StatusOr<TlsIdentity> Issue(const CertificateOrder& order) const;

 private:
  CertificateAuthority(std::string certificate, std::string key)
      : certificate_(std::move(certificate)), key_(std::move(key)) {}

  std::string certificate_;
  std::string key_;
};

// INVALID_ARGUMENT names the first that is neither a host name nor an IP address.
absl::Status CheckHosts(const std::vector<std::string>& hosts);

// Writes ca.pem, cert.pem and key.pem (0600) into a new folder (0700); ALREADY_EXISTS where it is.
absl::Status WriteTlsDir(const TlsIdentity& tls, const std::string& dir);

// A file that only its owner may read, whole or absent; ALREADY_EXISTS where it is.
absl::Status WriteSecretFile(const std::string& path, std::string_view text);

}  // namespace temper
