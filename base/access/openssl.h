// OpenSSL's objects with owners, and its PEM texts with words for what is wrong in them.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace temper::openssl {

struct Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(BIO* stream) const { BIO_free_all(stream); }
};
using Certificate = std::unique_ptr<X509, Free>;
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Stream = std::unique_ptr<BIO, Free>;

// The first one of the text; `path` for messages. A key with a pass phrase is refused.
absl::StatusOr<Certificate> ReadCertificate(std::string_view pem, const std::string& path);
absl::StatusOr<Key> ReadKey(std::string_view pem, const std::string& path);

std::string ToPem(X509& certificate);
std::string ToPem(EVP_PKEY& key);

// "2027-01-31 12:00:00 UTC".
std::string TimeText(const ASN1_TIME* time);

// Errors queue up per thread, and gRPC's own TLS reads the queue.
void ClearErrors();

}  // namespace temper::openssl
