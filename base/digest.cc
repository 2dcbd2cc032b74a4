// Fingerprints through libxxhash and OpenSSL.
#include "base/digest.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <memory>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace temper {
namespace {

using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

Context StartSha256() {
  Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  TEMPER_CHECK(context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  return context;
}

std::string Finish(EVP_MD_CTX* context) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  TEMPER_CHECK(EVP_DigestFinal_ex(context, digest, &length) == 1);
  return Hex(std::string_view(reinterpret_cast<const char*>(digest), length));
}

}  // namespace

std::string Xxh3Digest(std::string_view bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  return std::string(reinterpret_cast<const char*>(canonical.digest), sizeof(canonical.digest));
}

std::string Xxh3Digest(std::span<const std::byte> bytes) {
  return Xxh3Digest(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

std::string Sha256Hex(std::string_view bytes) {
  Context context = StartSha256();
  EVP_DigestUpdate(context.get(), bytes.data(), bytes.size());
  return Finish(context.get());
}

absl::StatusOr<std::string> Sha256HexOfFile(const std::string& path) {
  std::unique_ptr<FILE, int (*)(FILE*)> file(fopen(path.c_str(), "rb"), fclose);
  if (file == nullptr) return absl::NotFoundError(absl::StrCat(path, ": cannot be opened"));
  Context context = StartSha256();
  std::vector<char> buffer(1 << 20);
  while (const size_t got = fread(buffer.data(), 1, buffer.size(), file.get())) {
    EVP_DigestUpdate(context.get(), buffer.data(), got);
  }
  if (ferror(file.get())) return absl::UnavailableError(absl::StrCat(path, ": read failed"));
  return Finish(context.get());
}

std::string Hex(std::string_view bytes) {
  return absl::BytesToHexString({bytes.data(), bytes.size()});
}

}  // namespace temper
