// Certificates: made, written, read back, and what TLS makes of wrong ones on the wire.
#include "base/access/certificates.h"

#include <openssl/x509.h>
#include <sys/stat.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/access/openssl.h"
#include "base/file.h"
#include "base/rpc.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "temper/v1/remote_verifiers.grpc.pb.h"

namespace temper {
namespace {

using ::testing::HasSubstr;

const absl::Time kNow = absl::Now();
constexpr absl::Duration kLong = absl::Seconds(60);

class Certificates : public ::testing::Test {
 protected:
  Certificates() : folder_(absl::StrCat(::testing::TempDir(), "/certificates.XXXXXX")) {
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
  }
  ~Certificates() override { RemoveAll(folder_).IgnoreError(); }

  static CertificateAuthority Authority() {
    return CertificateAuthority::Make(kNow - absl::Hours(1), kNow + absl::Hours(1));
  }
  TlsIdentity Issue(const std::string& name, std::vector<std::string> hosts = {}) const {
    return ca_.Issue({name, std::move(hosts), kNow - absl::Hours(1), kNow + absl::Hours(1)})
        .value();
  }
  TlsIdentity Expired(const std::string& name, std::vector<std::string> hosts = {}) const {
    return ca_.Issue({name, std::move(hosts), kNow - absl::Hours(2), kNow - absl::Hours(1)})
        .value();
  }

  void Serve(const TlsIdentity& tls) {
    auto listening = Listen("127.0.0.1:0", {&service_}, {.credentials = {tls, std::nullopt}});
    ASSERT_TRUE(listening.ok()) << listening.status();
    listening_ = *std::move(listening);
  }
  // UNIMPLEMENTED: the call has passed. A handshake that fails is UNAVAILABLE.
  grpc::Status Call(const ClientCredentials& own, const std::string& host = "127.0.0.1") {
    const std::string port = listening_.address.substr(listening_.address.rfind(':'));
    const auto stub = v1::VerifierService::NewStub(Dial(host + port, own));
    v1::VerifyResponse response;
    return stub->Verify(Deadline(kLong).get(), {}, &response);
  }
  std::string Refusal(const std::string& dir) {
    const auto read = ReadTlsDir(dir);
    EXPECT_FALSE(read.ok());
    return std::string(read.status().message());
  }

  std::string folder_;
  const CertificateAuthority ca_ = Authority();
  v1::VerifierService::Service service_;
  ListeningServer listening_;
};

TEST_F(Certificates, AreReadBackAsTheyWereWritten) {
  const TlsIdentity made = Issue("worker:w", {"localhost", "127.0.0.1", "::1"});
  const std::string dir = JoinPath(folder_, "w");
  ASSERT_TRUE(WriteTlsDir(made, dir).ok());
  const auto read = ReadTlsDir(dir);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->ca, made.ca);
  EXPECT_EQ(read->certificate, made.certificate);
  EXPECT_EQ(read->key, made.key);
  struct stat info;
  ASSERT_EQ(stat(JoinPath(dir, "key.pem").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(stat(dir.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  EXPECT_EQ(WriteTlsDir(made, dir).code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(Certificates, HaveRandomSerialNumbersAndTheCurveThatWasPromised) {
  const auto a = openssl::ReadCertificate(Issue("admin:a").certificate, "a").value();
  const auto b = openssl::ReadCertificate(Issue("admin:a").certificate, "b").value();
  EXPECT_NE(ASN1_INTEGER_cmp(X509_get0_serialNumber(a.get()), X509_get0_serialNumber(b.get())), 0);
  EXPECT_EQ(EVP_PKEY_get_base_id(X509_get0_pubkey(a.get())), EVP_PKEY_EC);
  EXPECT_EQ(EVP_PKEY_get_bits(X509_get0_pubkey(a.get())), 256);
}

TEST_F(Certificates, AreNotMadeForHostsThatAreNone) {
  for (const char* host :
       {"", "a b", "DNS:x", "x,IP:1.2.3.4", ".example", "a\nb", "*", "ex/ample"}) {
    const auto made = ca_.Issue({"worker:w", {host}, kNow, kNow + absl::Hours(1)});
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument) << host;
  }
}

TEST_F(Certificates, OfAFolderAreCheckedBeforeTheyAreUsed) {
  const std::string dir = JoinPath(folder_, "w");
  EXPECT_THAT(Refusal(dir), HasSubstr("ca.pem"));  // nothing there
  const TlsIdentity good = Issue("worker:w");
  ASSERT_TRUE(WriteTlsDir(good, dir).ok());
  const auto put = [&](const std::string& name, const std::string& text) {
    const std::string path = JoinPath(dir, name);
    ASSERT_TRUE(WriteFileAtomically(path, text).ok());
    ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  };
  put("key.pem", Issue("worker:w").key);
  EXPECT_THAT(Refusal(dir), HasSubstr("not the key of cert.pem"));
  put("key.pem", "nonsense");
  EXPECT_THAT(Refusal(dir), HasSubstr("key.pem: no PEM private key"));
  put("key.pem", good.key);
  put("ca.pem", Authority().certificate());
  EXPECT_THAT(Refusal(dir), HasSubstr("not signed by ca.pem"));
  put("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  EXPECT_THAT(Refusal(dir), HasSubstr("ca.pem: no PEM certificate"));
  put("ca.pem", good.ca);
  EXPECT_TRUE(ReadTlsDir(dir).ok());
  ASSERT_EQ(chmod(JoinPath(dir, "key.pem").c_str(), 0640), 0);
  EXPECT_THAT(Refusal(dir), HasSubstr("chmod 600"));
  const TlsIdentity expired = Expired("worker:w");
  put("key.pem", expired.key);
  put("cert.pem", expired.certificate);
  EXPECT_THAT(Refusal(dir), HasSubstr("cert.pem: expired on "));
  ASSERT_TRUE(RemoveAll(JoinPath(dir, "key.pem")).ok());
  EXPECT_THAT(Refusal(dir), HasSubstr("key.pem"));
  ASSERT_TRUE(RemoveAll(JoinPath(dir, "cert.pem")).ok());
  EXPECT_TRUE(ReadTlsDir(dir).ok());  // trust alone, for a client
}

TEST_F(Certificates, OfOurAuthorityPassAndThoseOfAnotherDoNot) {
  Serve(Issue("worker:listener", {"127.0.0.1"}));
  EXPECT_EQ(Call({Issue("verifier:v"), ""}).error_code(), grpc::StatusCode::UNIMPLEMENTED);
  const auto times = std::pair(kNow - absl::Hours(1), kNow + absl::Hours(1));
  TlsIdentity stranger =
      Authority().Issue({"admin:mallory", {}, times.first, times.second}).value();
  EXPECT_EQ(Call({stranger, ""}).error_code(), grpc::StatusCode::UNAVAILABLE);
  stranger.ca = ca_.certificate();  // trusts the listener, but is not trusted
  EXPECT_EQ(Call({stranger, ""}).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Call({}).error_code(), grpc::StatusCode::UNAVAILABLE);  // plain text
}

TEST_F(Certificates, ThatHaveExpiredDoNotPassOnEitherSide) {
  Serve(Issue("worker:listener", {"127.0.0.1"}));
  EXPECT_EQ(Call({Expired("admin:a"), ""}).error_code(), grpc::StatusCode::UNAVAILABLE);
  Serve(Expired("worker:listener", {"127.0.0.1"}));
  EXPECT_EQ(Call({Issue("admin:a"), ""}).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(Certificates, ThatNameAnotherHostAreNotTakenForTheListener) {
  Serve(Issue("worker:listener", {"127.0.0.2", "example.org"}));
  EXPECT_EQ(Call({Issue("admin:a"), ""}).error_code(), grpc::StatusCode::UNAVAILABLE);
  Serve(Issue("worker:listener", {"localhost"}));
  EXPECT_EQ(Call({Issue("admin:a"), ""}).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Call({Issue("admin:a"), ""}, "localhost").error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(Certificates, OfPeopleDoNotServe) {
  Serve(Issue("reader:r"));  // as a thief of it would
  EXPECT_EQ(Call({Issue("admin:a"), ""}).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(Certificates, ThatNameNoRoleAreUnauthenticated) {
  Serve(Issue("worker:listener", {"127.0.0.1"}));
  for (const char* name : {"anna", "root:anna", "admin", "admin:", "admin:a b", "Admin:a"}) {
    const grpc::Status status = Call({Issue(name), ""});
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << name;
    EXPECT_THAT(status.error_message(), HasSubstr("says no role"));
  }
}

TEST_F(Certificates, AreNeededByAListener) {
  const auto listening = Listen("127.0.0.1:0", {&service_},
                                {.credentials = {TlsIdentity{ca_.certificate(), "", ""}, {}}});
  EXPECT_EQ(listening.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(listening.status().message()), HasSubstr("cert.pem"));
}

TEST_F(Certificates, WorkOverAUnixSocket) {
  auto listening = Listen("unix:" + JoinPath(folder_, "s"), {&service_},
                          {.credentials = {Issue("worker:listener", {"localhost"}), {}}});
  ASSERT_TRUE(listening.ok()) << listening.status();
  for (const auto& [own, code] :
       {std::pair(ClientCredentials{Issue("verifier:v"), ""}, grpc::StatusCode::UNIMPLEMENTED),
        std::pair(ClientCredentials{Issue("reader:r"), ""}, grpc::StatusCode::PERMISSION_DENIED)}) {
    const auto stub = v1::VerifierService::NewStub(Dial(listening->address, own));
    v1::VerifyResponse response;
    EXPECT_EQ(stub->Verify(Deadline(kLong).get(), {}, &response).error_code(), code);
  }
}

}  // namespace
}  // namespace temper
