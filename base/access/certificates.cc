// Making keys and certificates with OpenSSL.
#include "base/access/certificates.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/access/openssl.h"
#include "base/check.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace temper {
namespace {

constexpr char kAuthorityName[] = "Temper private CA";

openssl::Key MakeKey() {
  openssl::Key key(EVP_EC_gen("P-256"));
  TEMPER_CHECK(key != nullptr);
  return key;
}

// 126 random bits, as RFC 5280 wants them: positive, at most 20 bytes.
void SetSerial(X509& certificate) {
  unsigned char bytes[16];
  TEMPER_CHECK(RAND_bytes(bytes, sizeof(bytes)) == 1);
  bytes[0] = (bytes[0] & 0x3f) | 0x40;
  BIGNUM* number = BN_bin2bn(bytes, sizeof(bytes), nullptr);
  TEMPER_CHECK(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(&certificate)) != nullptr);
  BN_free(number);
}

void SetTime(ASN1_TIME* field, absl::Time time) {
  TEMPER_CHECK(ASN1_TIME_set(field, absl::ToTimeT(time)) != nullptr);
}

void SetName(X509_NAME* name, const std::string& common_name) {
  const auto add = [name](const char* field, const std::string& value) {
    TEMPER_CHECK(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                            reinterpret_cast<const unsigned char*>(value.data()),
                                            static_cast<int>(value.size()), -1, 0) == 1);
  };
  add("O", "Temper");
  add("CN", common_name);
}

void AddExtension(X509& certificate, X509& issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  TEMPER_CHECK(extension != nullptr);
  TEMPER_CHECK(X509_add_ext(&certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

openssl::Certificate Blank(EVP_PKEY& key, const std::string& common_name, absl::Time from,
                           absl::Time to) {
  openssl::Certificate certificate(X509_new());
  TEMPER_CHECK(certificate != nullptr);
  X509_set_version(certificate.get(), X509_VERSION_3);
  SetSerial(*certificate);
  SetTime(X509_getm_notBefore(certificate.get()), from);
  SetTime(X509_getm_notAfter(certificate.get()), to);
  SetName(X509_get_subject_name(certificate.get()), common_name);
  X509_set_pubkey(certificate.get(), &key);
  return certificate;
}

void Sign(X509& certificate, EVP_PKEY& key) {
  TEMPER_CHECK(X509_sign(&certificate, &key, EVP_sha256()) > 0);
}

// The syntax of these words is OpenSSL's configuration language: nothing of it may be in a host.
absl::StatusOr<std::string> AlternativeName(const std::string& host) {
  unsigned char address[sizeof(in6_addr)];
  if (inet_pton(AF_INET, host.c_str(), address) == 1 ||
      inet_pton(AF_INET6, host.c_str(), address) == 1) {
    return absl::StrCat("IP:", host);
  }
  const bool letters = std::all_of(host.begin(), host.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_';
  });
  if (!letters || host.empty() || host.size() > 253 || host.front() == '.') {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", host, "\" is neither a host name nor an IP address"));
  }
  return absl::StrCat("DNS:", host);
}

absl::Status WriteNew(const std::string& path, std::string_view text, mode_t mode) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!fd.open() && errno == EEXIST) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, ": is there already and is not overwritten"));
  }
  if (!fd.open()) return ErrnoStatus(path, "create");
  absl::Status status;
  while (!text.empty() && status.ok()) {
    const ssize_t n = write(fd.get(), text.data(), text.size());
    if (n < 0) status = ErrnoStatus(path, "write");
    if (n > 0) text.remove_prefix(static_cast<size_t>(n));
  }
  if (status.ok() && fsync(fd.get()) != 0) status = ErrnoStatus(path, "sync");
  if (!status.ok()) unlink(path.c_str());
  return status;
}

}  // namespace

CertificateAuthority CertificateAuthority::Make(absl::Time from, absl::Time to) {
  const openssl::Key key = MakeKey();
  const openssl::Certificate certificate = Blank(*key, kAuthorityName, from, to);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  AddExtension(*certificate, *certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  AddExtension(*certificate, *certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
  AddExtension(*certificate, *certificate, NID_subject_key_identifier, "hash");
  Sign(*certificate, *key);
  return CertificateAuthority(openssl::ToPem(*certificate), openssl::ToPem(*key));
}

absl::StatusOr<CertificateAuthority> CertificateAuthority::Read(const std::string& certificate,
                                                                const std::string& key) {
  TEMPER_ASSIGN_OR_RETURN(const openssl::Certificate read,
                          openssl::ReadCertificate(certificate, "ca.pem"));
  TEMPER_ASSIGN_OR_RETURN(const openssl::Key read_key, openssl::ReadKey(key, "ca-key.pem"));
  const bool own = X509_check_private_key(read.get(), read_key.get()) == 1;
  openssl::ClearErrors();
  if (!own) return absl::InvalidArgumentError("ca-key.pem is not the key of ca.pem");
  return CertificateAuthority(certificate, key);
}

absl::StatusOr<TlsIdentity> CertificateAuthority::Issue(const CertificateOrder& order) const {
  std::vector<std::string> names;
  for (const std::string& host : order.hosts) {
    TEMPER_ASSIGN_OR_RETURN(names.emplace_back(), AlternativeName(host));
  }
  TEMPER_ASSIGN_OR_RETURN(const openssl::Certificate ca,
                          openssl::ReadCertificate(certificate_, "ca.pem"));
  TEMPER_ASSIGN_OR_RETURN(const openssl::Key ca_key, openssl::ReadKey(key_, "ca-key.pem"));
  const openssl::Key key = MakeKey();
  const openssl::Certificate made = Blank(*key, order.common_name, order.from, order.to);
  X509_set_issuer_name(made.get(), X509_get_subject_name(ca.get()));
  AddExtension(*made, *ca, NID_basic_constraints, "critical,CA:FALSE");
  AddExtension(*made, *ca, NID_key_usage, "critical,digitalSignature");
  AddExtension(*made, *ca, NID_ext_key_usage,
               names.empty() ? "clientAuth" : "serverAuth,clientAuth");
  AddExtension(*made, *ca, NID_subject_key_identifier, "hash");
  AddExtension(*made, *ca, NID_authority_key_identifier, "keyid:always");
  if (!names.empty()) {
    AddExtension(*made, *ca, NID_subject_alt_name, absl::StrJoin(names, ","));
  }
  Sign(*made, *ca_key);
  return TlsIdentity{certificate_, openssl::ToPem(*made), openssl::ToPem(*key)};
}

absl::Status CheckHosts(const std::vector<std::string>& hosts) {
  for (const std::string& host : hosts) {
    TEMPER_RETURN_IF_ERROR(AlternativeName(host).status());
  }
  return absl::OkStatus();
}

absl::Status WriteSecretFile(const std::string& path, std::string_view text) {
  return WriteNew(path, text, 0600);
}

absl::Status WriteTlsDir(const TlsIdentity& tls, const std::string& dir) {
  if (mkdir(dir.c_str(), 0700) != 0) {
    if (errno != EEXIST) return ErrnoStatus(dir, "make a folder");
    return absl::AlreadyExistsError(absl::StrCat(dir, ": is there already and is not overwritten"));
  }
  TEMPER_RETURN_IF_ERROR(WriteSecretFile(JoinPath(dir, "key.pem"), tls.key));
  TEMPER_RETURN_IF_ERROR(WriteNew(JoinPath(dir, "cert.pem"), tls.certificate, 0644));
  TEMPER_RETURN_IF_ERROR(WriteNew(JoinPath(dir, "ca.pem"), tls.ca, 0644));
  return SyncDirectory(dir);
}

}  // namespace temper
