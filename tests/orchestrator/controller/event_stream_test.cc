// A watcher that takes nothing is sent away; one that reads never is.
#include "orchestrator/controller/event_stream.h"

#include <memory>
#include <string>

#include "base/bounded_queue.h"
#include "base/rpc.h"
#include "gtest/gtest.h"

namespace temper::orchestrator {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(1);

// Hands its streams to the test, which plays the run's loop.
class OneWatch : public v1::ControllerService::CallbackService {
 public:
  grpc::ServerWriteReactor<v1::WatchResponse>* Watch(grpc::CallbackServerContext* context,
                                                     const v1::WatchRequest*) override {
    auto stream = std::make_shared<EventStream>(context, 1);
    stream->KeepAlive(stream);
    EXPECT_TRUE(streams.TryPush(stream));
    return stream.get();
  }
  BoundedQueue<std::shared_ptr<EventStream>> streams{4};
};

class EventStreamTest : public testing::Test {
 protected:
  void SetUp() override {
    auto listening = Listen("127.0.0.1:0", {&service_});
    ASSERT_TRUE(listening.ok()) << listening.status();
    listening_ = *std::move(listening);
    stub_ = v1::ControllerService::NewStub(Dial(listening_.address));
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(2));
    reader_ = stub_->Watch(&context_, v1::WatchRequest());
    auto stream = service_.streams.Pop(Wait::OrFail("the call", kPatience));
    ASSERT_TRUE(stream.has_value());
    stream_ = *std::move(stream);
  }
  void TearDown() override {
    stream_->Close();
    context_.TryCancel();
    if (!finished_) reader_->Finish();
    ShutDown(*listening_.server, absl::Seconds(5));
  }

  void Offer(size_t bytes) {
    v1::RunEvent event;
    event.set_sequence(++sequence_);
    event.set_note(std::string(bytes, 'x'));
    stream_->Offer(std::move(event));
  }
  bool AwaitDone() {
    const Waiting waiting(Wait::OrFail("the end of the stream", kPatience));
    while (!stream_->done() && waiting.Nap(absl::Milliseconds(5))) {
    }
    return stream_->done();
  }

  OneWatch service_;
  ListeningServer listening_;
  std::unique_ptr<v1::ControllerService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchResponse>> reader_;
  std::shared_ptr<EventStream> stream_;
  int64_t sequence_ = 0;
  bool finished_ = false;
};

TEST_F(EventStreamTest, AReaderThatTakesNothingIsSentAwayAfterAMinute) {
  const absl::Duration now = absl::Seconds(100);
  // Fills what gRPC and the kernel keep for a reader, until nothing moves any more.
  for (int still = 0; still < 20;) {
    if (stream_->Room(now) > 0) {
      Offer(64 << 10);
      still = 0;
    } else {
      ++still;
      Sleep(Wait::ForWork("a reader", absl::Milliseconds(20)));
    }
  }
  EXPECT_EQ(stream_->Room(now + absl::Seconds(59)), 0u);
  EXPECT_FALSE(stream_->done());
  EXPECT_EQ(stream_->Room(now + absl::Seconds(61)), 0u);
  EXPECT_TRUE(AwaitDone());
  v1::WatchResponse response;
  int64_t read = 0;
  while (reader_->Read(&response)) EXPECT_EQ(response.event().sequence(), ++read);
  const grpc::Status status = reader_->Finish();
  finished_ = true;
  EXPECT_TRUE(status.error_code() == grpc::StatusCode::CANCELLED ||
              status.error_code() == grpc::StatusCode::ABORTED)
      << status.error_code();
  EXPECT_LT(read, sequence_);
}

TEST_F(EventStreamTest, AReaderThatReadsStaysHoweverLongNothingHappens) {
  v1::WatchResponse response;
  for (int i = 1; i <= 3; ++i) {
    ASSERT_GT(stream_->Room(absl::Hours(i)), 0u);
    Offer(10);
    ASSERT_TRUE(reader_->Read(&response));
    EXPECT_EQ(response.event().sequence(), i);
    // The loop asks many times a second, so it sees that the line is empty before time goes by.
    const Waiting waiting(Wait::OrFail("the end of a write", kPatience));
    while (stream_->Room(absl::Hours(i)) < EventStream::kWaitingMax &&
           waiting.Nap(absl::Milliseconds(1))) {
    }
  }
}

}  // namespace
}  // namespace temper::orchestrator
