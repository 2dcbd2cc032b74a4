// Listeners: where they may be, what a service learns of its callers, and the limits of a call.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/rpc.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "temper/v1/controller.grpc.pb.h"
#include "temper/v1/remote_verifiers.grpc.pb.h"

namespace temper {
namespace {

using ::testing::HasSubstr;

constexpr char kToken[] = "0123456789abcdef0123456789abcdef";
constexpr absl::Duration kLong = absl::Seconds(60);

// Answers with who called, and with the names of the metadata it was shown.
class TellsWhoCalls final : public v1::VerifierService::CallbackService {
  grpc::ServerUnaryReactor* Verify(grpc::CallbackServerContext* context,
                                   const v1::VerifyRequest* request,
                                   v1::VerifyResponse* response) override {
    const Caller caller = CallerOf(*context);
    v1::Verdict& verdict = *response->add_results()->mutable_verdict();
    verdict.set_verdict(absl::StrCat(std::string(RoleWord(caller.role)), "/", caller.name));
    for (const auto& [key, value] : context->client_metadata()) {
      absl::StrAppend(verdict.mutable_reason(), std::string(key.data(), key.size()), " ");
    }
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

// Hangs in every call until the caller or the listener gives up.
class Hangs final : public v1::ControllerService::Service {
 public:
  std::atomic<int> ended{0};

 private:
  grpc::Status Get(grpc::ServerContext* context, const v1::GetRequest*, v1::GetResponse*) override {
    return Hang(*context);
  }
  grpc::Status Watch(grpc::ServerContext* context, const v1::WatchRequest*,
                     grpc::ServerWriter<v1::WatchResponse>*) override {
    return Hang(*context);
  }
  grpc::Status Hang(const grpc::ServerContext& context) {
    const absl::Time patience = absl::Now() + kLong;
    while (!context.IsCancelled() && absl::Now() < patience) absl::SleepFor(absl::Milliseconds(1));
    if (context.IsCancelled()) ++ended;
    return grpc::Status::OK;
  }
};

ListenCredentials Tokens() {
  const std::string lines = absl::StrCat("verifier ", kToken, "1 vera\nadmin ", kToken, "2\n");
  return {.tls = std::nullopt, .tokens = TokenTable::Parse(lines, "tokens").value()};
}

std::string NewFolder() {
  std::string folder = absl::StrCat(::testing::TempDir(), "/listen.XXXXXX");
  EXPECT_NE(mkdtemp(folder.data()), nullptr);
  return folder;
}

class Listening : public ::testing::Test {
 protected:
  void Start(const std::string& address, const ListenOptions& options) {
    auto listening = Listen(address, {&who_, &hangs_}, options);
    ASSERT_TRUE(listening.ok()) << listening.status();
    listening_ = *std::move(listening);
  }

  grpc::Status Verify(const ClientCredentials& own, grpc::ClientContext& context,
                      v1::VerifyRequest request = {}) {
    const auto stub = v1::VerifierService::NewStub(Dial(listening_.address, own));
    v1::VerifyResponse response;
    grpc::Status status = stub->Verify(&context, request, &response);
    if (status.ok()) verdict_ = response.results(0).verdict();
    return status;
  }

  TellsWhoCalls who_;
  Hangs hangs_;
  v1::Verdict verdict_;
  ListeningServer listening_;
};

TEST(ListenAddress, ThatOthersCanReachIsRefusedWithoutCredentialsAndSaysWhatToGive) {
  TellsWhoCalls service;
  for (const char* address : {"0.0.0.0:0", "[::]:0", "10.1.2.3:7070", "example.org:7070",
                              "127.0.0.1.example.org:7070", "127.example.org:80"}) {
    const auto listening = Listen(address, {&service});
    EXPECT_EQ(listening.status().code(), absl::StatusCode::kInvalidArgument) << address;
    for (const char* part : {address, "--tls-dir", "--token-file", "temper certs", "127.0.0.1"}) {
      EXPECT_THAT(std::string(listening.status().message()), HasSubstr(part));
    }
  }
}

TEST(ListenAddress, ThatIsNoneIsRefused) {
  TellsWhoCalls service;
  for (const char* address : {"", ":", "127.0.0.1", ":7070", "127.0.0.1:", "127.0.0.1:x",
                              "127.0.0.1:65536", "127.0.0.1:-1", "::1:7070", "[::1]", "unix:",
                              "unix-abstract:name", "dns:///localhost:1", "ipv4:127.0.0.1:7070"}) {
    const auto listening = Listen(address, {&service}, {.credentials = Tokens()});
    EXPECT_EQ(listening.status().code(), absl::StatusCode::kInvalidArgument) << address;
  }
  EXPECT_FALSE(Listen(absl::StrCat("unix:/", std::string(200, 'a')), {&service}).ok());
}

TEST(ListenAddress, OfALoopbackKindNeedsNothing) {
  for (const char* address : {"127.0.0.1:7070", "127.8.9.10:0", "localhost:0", "[::1]:80"}) {
    const auto parsed = ParseListenAddress(address);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_TRUE(parsed->local) << address;
  }
}

TEST_F(Listening, ServiceLearnsNameAndRoleFromTheTokenAndSeesNoToken) {
  Start("127.0.0.1:0", {.credentials = Tokens()});
  const auto context = Deadline(kLong);
  context->AddMetadata("temper-caller", "admin/mallory");
  context->AddMetadata("temper-user", "mallory");
  const grpc::Status status = Verify({std::nullopt, absl::StrCat(kToken, "1")}, *context);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(verdict_.verdict(), "verifier/vera");
  EXPECT_THAT(verdict_.reason(), ::testing::Not(HasSubstr("authorization")));
}

TEST_F(Listening, ServiceLearnsTheUserWhereTheTokenHasNoName) {
  setenv("USER", "berta", 1);
  Start("127.0.0.1:0", {.credentials = Tokens()});
  ASSERT_TRUE(Verify({std::nullopt, absl::StrCat(kToken, "2")}, *Deadline(kLong)).ok());
  EXPECT_EQ(verdict_.verdict(), "admin/berta");
}

TEST_F(Listening, EverybodyIsAdminOnLoopbackAndAStrangeUserNameIsLeftOut) {
  setenv("USER", "berta", 1);
  Start("127.0.0.1:0", {});
  ASSERT_TRUE(Verify({}, *Deadline(kLong)).ok());
  EXPECT_EQ(verdict_.verdict(), "admin/berta");
  setenv("USER", "two words", 1);
  const auto context = Deadline(kLong);
  context->AddMetadata("temper-user", "x y");
  ASSERT_TRUE(Verify({}, *context).ok());
  EXPECT_EQ(verdict_.verdict(), "admin/");
}

TEST_F(Listening, WrongTokensAndOtherSchemesAreUnauthenticated) {
  Start("127.0.0.1:0", {.credentials = Tokens()});
  const grpc::Status wrong = Verify({std::nullopt, kToken}, *Deadline(kLong));
  EXPECT_EQ(wrong.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(wrong.error_message(), HasSubstr("no line"));
  const auto context = Deadline(kLong);
  context->AddMetadata("authorization", absl::StrCat("Basic ", kToken, "1"));
  EXPECT_EQ(Verify({}, *context).error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(Listening, CompressedMessagesAreRefused) {
  Start("127.0.0.1:0", {});
  for (const auto algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    const auto context = Deadline(kLong);
    context->set_compression_algorithm(algorithm);
    v1::VerifyRequest request;
    request.set_config_json(std::string(1 << 20, ' '));
    const grpc::Status status = Verify({}, *context, request);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
    EXPECT_THAT(status.error_message(), HasSubstr("compressed"));
  }
}

TEST_F(Listening, LargeRequestsAndLargeMetadataAreRefused) {
  Start("127.0.0.1:0", {.request_bytes_max = kControlMessageBytesMax});
  v1::VerifyRequest request;
  request.set_config_json(std::string(kControlMessageBytesMax - 100, ' '));
  EXPECT_TRUE(Verify({}, *Deadline(kLong), request).ok());
  request.set_config_json(std::string(kControlMessageBytesMax, ' '));
  EXPECT_EQ(Verify({}, *Deadline(kLong), request).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  const auto context = Deadline(kLong);
  context->AddMetadata("filler", std::string(20 << 10, 'a'));
  EXPECT_EQ(Verify({}, *context).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  // A refused call may take its connection along ("Socket closed"), and calls just put on it.
  grpc::Status after = Verify({}, *Deadline(kLong));
  for (int i = 0; i < 20 && after.error_code() == grpc::StatusCode::UNAVAILABLE; ++i) {
    after = Verify({}, *Deadline(kLong));
  }
  EXPECT_TRUE(after.ok()) << after.error_code() << ": " << after.error_message();
}

TEST_F(Listening, EndsCallsThatLastTooLongAndSaysSo) {
  Start("127.0.0.1:0", {.limits = {.unary_longest = absl::Milliseconds(50),
                                   .unary_without_deadline = absl::Milliseconds(50),
                                   .stream_longest = absl::Milliseconds(50)}});
  const auto stub = v1::ControllerService::NewStub(Dial(listening_.address, {}));
  int calls = 0;
  for (const bool endless : {true, false}) {
    grpc::ClientContext unary;
    if (!endless) unary.set_deadline(absl::ToChronoTime(absl::Now() + absl::Hours(1)));
    v1::GetResponse response;
    const grpc::Status status = stub->Get(&unary, {}, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
    EXPECT_THAT(status.error_message(), HasSubstr("the longest it may last"));
    grpc::ClientContext stream;
    if (!endless) stream.set_deadline(absl::ToChronoTime(absl::Now() + absl::Hours(1)));
    const auto reader = stub->Watch(&stream, {});
    v1::WatchResponse event;
    EXPECT_FALSE(reader->Read(&event));
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
    calls += 2;
  }
  const absl::Time patience = absl::Now() + kLong;
  while (hangs_.ended < calls && absl::Now() < patience) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(hangs_.ended, calls);
}

TEST_F(Listening, ShutsDownWhileCallsWithoutDeadlineHang) {
  Start("127.0.0.1:0", {});
  const auto stub = v1::ControllerService::NewStub(Dial(listening_.address, {}));
  grpc::ClientContext context;
  v1::GetResponse response;
  std::thread caller([&] { stub->Get(&context, {}, &response); });
  EXPECT_TRUE(Verify({}, *Deadline(kLong)).ok());
  listening_.server->Shutdown(absl::ToChronoTime(absl::Now() + absl::Milliseconds(50)));
  caller.join();
}

TEST_F(Listening, UnixSocketIsForItsOwnerAloneAndGoesWithTheListener) {
  const std::string folder = NewFolder();
  const std::string path = folder + "/s";
  Start("unix:" + path, {});
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_TRUE(S_ISSOCK(info.st_mode));
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(listening_.address, "unix:" + path);
  EXPECT_TRUE(Verify({}, *Deadline(kLong)).ok());
  TellsWhoCalls other;
  const auto second = Listen("unix:" + path, {&other});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(Verify({}, *Deadline(kLong)).ok());
  listening_ = {};
  EXPECT_FALSE(Exists(path));
  EXPECT_EQ(rmdir(folder.c_str()), 0) << "something was left in " << folder;
}

TEST_F(Listening, UnixSocketTakesThePlaceOfADeadOneAndOfNothingElse) {
  const std::string path = NewFolder() + "/s";
  const int dead = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, path.c_str(), sizeof(name.sun_path) - 1);
  ASSERT_EQ(bind(dead, reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  close(dead);
  Start("unix:" + path, {});
  EXPECT_TRUE(Verify({}, *Deadline(kLong)).ok());
  listening_ = {};
  ASSERT_TRUE(WriteFileAtomically(path, "precious").ok());
  EXPECT_EQ(Listen("unix:" + path, {&who_}).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReadFile(path).value(), "precious");
}

}  // namespace
}  // namespace temper
