// Every rpc of every schema, called with and without credentials: the schemas say what must happen.
//
// Schemas are read from the folder: a new one fails here until its service is in Services(), and an
// rpc without option (access) fails always.
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/access/certificates.h"
#include "base/file.h"
#include "base/rpc.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "temper/v1/controller.grpc.pb.h"
#include "temper/v1/fleet.grpc.pb.h"
#include "temper/v1/learner.grpc.pb.h"
#include "temper/v1/remote_verifiers.grpc.pb.h"
#include "temper/v1/reward.grpc.pb.h"
#include "temper/v1/rollout.grpc.pb.h"
#include "tests/base/access/own_address.h"

namespace temper {
namespace {

using google::protobuf::MethodDescriptor;

constexpr v1::Access kRoles[] = {v1::ACCESS_ADMIN, v1::ACCESS_WORKER, v1::ACCESS_VERIFIER,
                                 v1::ACCESS_READER};

// Their methods all answer UNIMPLEMENTED: who gets that has passed the guard.
struct Services {
  v1::ControllerService::Service controller;
  v1::FleetService::Service fleet;
  v1::LearnerService::Service learner;
  v1::RewardService::Service reward;
  v1::RolloutService::Service rollout;
  v1::VerifierService::Service verifier;
  std::vector<grpc::Service*> all = {&controller, &fleet, &learner, &reward, &rollout, &verifier};
};
constexpr int kServices = 6;

std::vector<const MethodDescriptor*> EveryRpc() {
  std::vector<const MethodDescriptor*> rpcs;
  int services = 0;
  const std::string folder = absl::StrCat(TEMPER_SOURCE_DIR, "/proto/temper/v1");
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = absl::StrCat("temper/v1/", entry.path().filename().string());
    const auto* file = google::protobuf::DescriptorPool::generated_pool()->FindFileByName(name);
    EXPECT_NE(file, nullptr) << name << " is not part of this test: add its service to Services";
    for (int i = 0; file != nullptr && i < file->service_count(); ++i, ++services) {
      for (int k = 0; k < file->service(i)->method_count(); ++k) {
        rpcs.push_back(file->service(i)->method(k));
      }
    }
  }
  EXPECT_EQ(services, kServices) << "a service is missing from Services";
  EXPECT_GE(rpcs.size(), 30u);
  return rpcs;
}

std::string PathOf(const MethodDescriptor& rpc) {
  return absl::StrCat("/", rpc.service()->full_name(), "/", rpc.name());
}

bool Allows(const MethodDescriptor& rpc, v1::Access role) {
  if (role == v1::ACCESS_ADMIN) return true;
  for (int i = 0; i < rpc.options().ExtensionSize(v1::access); ++i) {
    if (rpc.options().GetExtension(v1::access, i) == role) return true;
  }
  return false;
}

grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& path) {
  grpc::GenericStub stub(channel);
  const auto context = Deadline(absl::Seconds(60));
  const grpc::Slice nothing("");
  const grpc::ByteBuffer request(&nothing, 1);
  grpc::ByteBuffer answer;
  std::promise<grpc::Status> done;
  stub.UnaryCall(context.get(), path, {}, &request, &answer,
                 [&done](grpc::Status status) { done.set_value(std::move(status)); });
  return done.get_future().get();
}

std::string TokenOf(v1::Access role) {
  return absl::StrCat("token-of-the-role-", std::string(RoleWord(role)));
}

ListenCredentials TokensOfAllRoles() {
  std::string lines;
  for (const v1::Access role : kRoles) {
    absl::StrAppend(&lines, std::string(RoleWord(role)), " ", TokenOf(role), "\n");
  }
  return {.tls = std::nullopt, .tokens = TokenTable::Parse(lines, "tokens").value()};
}

using CredentialsOf = std::map<v1::Access, ClientCredentials>;

CredentialsOf Tokens(const std::optional<TlsIdentity>& tls = std::nullopt) {
  CredentialsOf credentials;
  for (const v1::Access role : kRoles) credentials[role] = {tls, TokenOf(role)};
  return credentials;
}

void ExpectNobodyPasses(const std::shared_ptr<grpc::Channel>& channel) {
  for (const MethodDescriptor* rpc : EveryRpc()) {
    const grpc::Status status = Call(channel, PathOf(*rpc));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED)
        << rpc->full_name() << ": " << status.error_message();
    EXPECT_NE(status.error_message().find("this listener demands"), std::string::npos);
  }
  EXPECT_EQ(Call(channel, "/grpc.health.v1.Health/Check").error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
}

// Counts, so that a test in which nothing is refused or nothing passes does not go unseen.
void ExpectRolesAreKept(const std::string& address, const CredentialsOf& credentials) {
  int passed = 0;
  int refused = 0;
  for (const v1::Access role : kRoles) {
    const auto channel = Dial(address, credentials.at(role));
    for (const MethodDescriptor* rpc : EveryRpc()) {
      const grpc::Status status = Call(channel, PathOf(*rpc));
      const std::string what = absl::StrCat(std::string(RoleWord(role)), " calls ",
                                            rpc->full_name(), ": ", status.error_message());
      if (Allows(*rpc, role)) {
        EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << what;
        ++passed;
        continue;
      }
      EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED) << what;
      for (const std::string& part :
           {std::string(RoleWord(role)), PathOf(*rpc), std::string("it is for: admin")}) {
        EXPECT_NE(status.error_message().find(part), std::string::npos) << what;
      }
      ++refused;
    }
    const grpc::StatusCode strange = Call(channel, "/temper.v1.NoService/NoMethod").error_code();
    EXPECT_EQ(strange, role == v1::ACCESS_ADMIN ? grpc::StatusCode::UNIMPLEMENTED
                                                : grpc::StatusCode::PERMISSION_DENIED);
  }
  EXPECT_GE(passed, 40);
  EXPECT_GE(refused, 40);
}

class EveryRpcOnAListener : public ::testing::Test {
 protected:
  void Start(const std::string& address, ListenCredentials credentials) {
    auto listening = Listen(address, services_.all, {.credentials = std::move(credentials)});
    ASSERT_TRUE(listening.ok()) << listening.status();
    listening_ = *std::move(listening);
  }
  // Where others would dial a listener at 0.0.0.0.
  std::string outside() const {
    return absl::StrReplaceAll(listening_.address, {{"0.0.0.0", OwnAddress()}});
  }

  Services services_;
  ListeningServer listening_;
};

TEST(Schemas, EveryRpcSaysWhoMayCallIt) {
  for (const MethodDescriptor* rpc : EveryRpc()) {
    const int roles = rpc->options().ExtensionSize(v1::access);
    EXPECT_GE(roles, 1) << rpc->full_name() << " lacks option (access)";
    for (int i = 0; i < roles; ++i) {
      EXPECT_NE(rpc->options().GetExtension(v1::access, i), v1::ACCESS_UNSPECIFIED)
          << rpc->full_name();
    }
  }
}

TEST(Schemas, EveryRpcStandsInTheTableForPeople) {
  const std::string table = ReadFile(absl::StrCat(TEMPER_SOURCE_DIR, "/docs/security.md")).value();
  for (const MethodDescriptor* rpc : EveryRpc()) {
    const std::string whole = absl::StrCat("| ", rpc->service()->name(), ": all |");
    EXPECT_TRUE(absl::StrContains(table, rpc->name()) || absl::StrContains(table, whole))
        << rpc->full_name() << " is missing in docs/security.md";
  }
}

TEST_F(EveryRpcOnAListener, NeedsATokenWhereATokenFileIsGiven) {
  Start("0.0.0.0:0", TokensOfAllRoles());
  ExpectNobodyPasses(Dial(outside(), ClientCredentials{}));
  ExpectRolesAreKept(outside(), Tokens());
}

TEST_F(EveryRpcOnAListener, NeedsATokenOnAUnixSocketToo) {
  Start(absl::StrCat("unix:", ::testing::TempDir(), "/every_rpc.", getpid()), TokensOfAllRoles());
  ExpectNobodyPasses(Dial(listening_.address, ClientCredentials{}));
  ExpectRolesAreKept(listening_.address, Tokens());
}

TEST_F(EveryRpcOnAListener, NeedsACertificateOrTokenWhereBothAreTaken) {
  const absl::Time now = absl::Now();
  const auto ca = CertificateAuthority::Make(now - absl::Hours(1), now + absl::Hours(1));
  const auto issue = [&](const std::string& name, std::vector<std::string> hosts) {
    return ca.Issue({name, std::move(hosts), now - absl::Hours(1), now + absl::Hours(1)}).value();
  };
  ListenCredentials credentials = TokensOfAllRoles();
  credentials.tls = issue("worker:listener", {OwnAddress()});
  Start("0.0.0.0:0", std::move(credentials));
  const TlsIdentity nobody{ca.certificate(), "", ""};
  ExpectNobodyPasses(Dial(outside(), {nobody, ""}));
  ExpectRolesAreKept(outside(), Tokens(nobody));
  CredentialsOf certificates;
  for (const v1::Access role : kRoles) {
    certificates[role] = {issue(absl::StrCat(std::string(RoleWord(role)), ":x"), {}), ""};
  }
  ExpectRolesAreKept(outside(), certificates);
}

TEST_F(EveryRpcOnAListener, IsForEverybodyOnLoopbackWithoutCredentials) {
  Start("127.0.0.1:0", {});
  const auto channel = Dial(listening_.address, ClientCredentials{});
  for (const MethodDescriptor* rpc : EveryRpc()) {
    EXPECT_EQ(Call(channel, PathOf(*rpc)).error_code(), grpc::StatusCode::UNIMPLEMENTED)
        << rpc->full_name();
  }
}

}  // namespace
}  // namespace temper
