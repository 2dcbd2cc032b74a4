// PEM in, PEM out.
#include "base/access/openssl.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <ctime>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/check.h"

namespace temper::openssl {
namespace {

Stream Reading(std::string_view text) {
  return Stream(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string TextOf(BIO& stream) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(&stream, &bytes);
  return std::string(bytes, static_cast<size_t>(size));
}

// Instead of OpenSSL's own, which asks the terminal.
int NoPassPhrase(char*, int, int, void*) { return -1; }

}  // namespace

absl::StatusOr<Certificate> ReadCertificate(std::string_view pem, const std::string& path) {
  Certificate certificate(PEM_read_bio_X509(Reading(pem).get(), nullptr, NoPassPhrase, nullptr));
  ClearErrors();
  if (certificate == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": no PEM certificate in it (-----BEGIN CERTIFICATE-----)"));
  }
  return certificate;
}

absl::StatusOr<Key> ReadKey(std::string_view pem, const std::string& path) {
  Key key(PEM_read_bio_PrivateKey(Reading(pem).get(), nullptr, NoPassPhrase, nullptr));
  ClearErrors();
  if (key == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": no PEM private key without pass phrase in it"));
  }
  return key;
}

std::string ToPem(X509& certificate) {
  const Stream stream(BIO_new(BIO_s_mem()));
  TEMPER_CHECK(PEM_write_bio_X509(stream.get(), &certificate) == 1);
  return TextOf(*stream);
}

std::string ToPem(EVP_PKEY& key) {
  const Stream stream(BIO_new(BIO_s_mem()));
  TEMPER_CHECK(PEM_write_bio_PKCS8PrivateKey(stream.get(), &key, nullptr, nullptr, 0, nullptr,
                                             nullptr) == 1);
  return TextOf(*stream);
}

std::string TimeText(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return "an unreadable date";
  return absl::StrFormat("%04d-%02d-%02d %02d:%02d:%02d UTC", parts.tm_year + 1900,
                         parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
                         parts.tm_sec);
}

void ClearErrors() { ERR_clear_error(); }

}  // namespace temper::openssl
