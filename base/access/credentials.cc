// Reading and checking a process's certificate before anything relies on it.
#include "base/access/credentials.h"

#include <openssl/x509v3.h>

#include "absl/strings/str_cat.h"
#include "base/access/openssl.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace temper {
namespace {

ClientCredentials& Own() {
  static ClientCredentials* own = new ClientCredentials;
  return *own;
}

absl::Status CheckTimes(const X509& certificate, const std::string& path) {
  if (X509_cmp_current_time(X509_get0_notAfter(&certificate)) < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": expired on ", openssl::TimeText(X509_get0_notAfter(&certificate)),
                     "; make a new one with `temper certs`"));
  }
  if (X509_cmp_current_time(X509_get0_notBefore(&certificate)) > 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": valid only from ", openssl::TimeText(X509_get0_notBefore(&certificate)),
        "; is this machine's clock right?"));
  }
  return absl::OkStatus();
}

// Of a chain the first certificate is ours.
absl::Status CheckIdentity(const TlsIdentity& tls, X509& ca, const std::string& dir) {
  const std::string path = JoinPath(dir, "cert.pem");
  TEMPER_ASSIGN_OR_RETURN(const openssl::Certificate certificate,
                          openssl::ReadCertificate(tls.certificate, path));
  TEMPER_ASSIGN_OR_RETURN(const openssl::Key key,
                          openssl::ReadKey(tls.key, JoinPath(dir, "key.pem")));
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    openssl::ClearErrors();
    return absl::InvalidArgumentError(
        absl::StrCat(dir, ": key.pem is not the key of cert.pem; were they made together?"));
  }
  // A chain with certificates in between is for the peer to judge.
  const bool chain =
      tls.certificate.find("BEGIN CERTIFICATE") != tls.certificate.rfind("BEGIN CERTIFICATE");
  const bool issued = X509_check_issued(&ca, certificate.get()) == X509_V_OK &&
                      X509_verify(certificate.get(), X509_get0_pubkey(&ca)) == 1;
  openssl::ClearErrors();
  if (!chain && !issued) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": not signed by ca.pem beside it; were they made together?"));
  }
  return CheckTimes(*certificate, path);
}

}  // namespace

absl::StatusOr<TlsIdentity> ReadTlsDir(const std::string& dir) {
  TlsIdentity tls;
  const std::string ca_path = JoinPath(dir, "ca.pem");
  TEMPER_ASSIGN_OR_RETURN(tls.ca, ReadFile(ca_path));
  TEMPER_ASSIGN_OR_RETURN(const openssl::Certificate ca, openssl::ReadCertificate(tls.ca, ca_path));
  TEMPER_RETURN_IF_ERROR(CheckTimes(*ca, ca_path));
  const std::string certificate_path = JoinPath(dir, "cert.pem");
  const std::string key_path = JoinPath(dir, "key.pem");
  if (!Exists(certificate_path) && !Exists(key_path)) return tls;
  TEMPER_ASSIGN_OR_RETURN(tls.certificate, ReadFile(certificate_path));
  TEMPER_ASSIGN_OR_RETURN(tls.key, ReadSecretFile(key_path));
  TEMPER_RETURN_IF_ERROR(CheckIdentity(tls, *ca, dir));
  return tls;
}

void SetOwnCredentials(ClientCredentials credentials) { Own() = std::move(credentials); }

const ClientCredentials& OwnCredentials() { return Own(); }

}  // namespace temper
