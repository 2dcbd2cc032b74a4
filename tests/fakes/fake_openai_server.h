// A server that speaks OpenAI's chat API, NIM's reward style and vLLM's /pooling, /classify and
// /score by a fake script, over real HTTP: one thread, an epoll loop, thousands of requests a
// second.
//
// The same script behind the built-in fake endpoint (agents/endpoint/fake_script.h); each sample's
// identity is the request's seed plus the choice's index. Faults happen on the wire. A conversation
// that ends with the assistant's turn is scored: "reward:NUMBER" as the answer's content; where the
// model's name is "attributes", "helpfulness:NUMBER,correctness:NUMBER". GET /stats tells counts.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "agents/endpoint/fake_script.h"
#include "nlohmann/json.hpp"
#include "tests/fakes/fake_openai_answer.h"

namespace temper::fakes {

class FakeOpenAiServer {
 public:
  struct Options {
    std::shared_ptr<const agents::FakeScript> script;  // null: without rules
    int port = 0;                                      // 0: any
    std::string key;                                   // not empty: refuses requests without it
    int busy_above = 0;                                // not 0: more requests at once meet 429
    bool ignores_n = false;                            // makes one choice, whatever is asked
    bool refuses_n = false;                            // 400 for n > 1
    bool refuses_max_tokens = false;                   // 400, names max_completion_tokens
    bool ignores_stream = false;                       // answers with one JSON body
    bool counts_no_tokens = false;                     // no usage
    bool echoes_key = false;                           // tells the key it was given in a 400
    bool keeps_requests = false;                       // for requests()
    bool tells_token_ids = false;                      // where it is asked to
    std::string thinks;                                // put before texts: "inline", "reasoning" or
                                                       // "reasoning_content" says how
  };
  struct Request {
    std::string path;
    std::map<std::string, std::string> headers;  // names in lower case
    nlohmann::json body;
  };
  struct Stats {
    int64_t requests = 0;      // POSTs that came whole
    int64_t served = 0;        // of them, answered with a whole answer
    int64_t samples = 0;       // texts in whole answers
    int64_t scored = 0;        // scores in whole answers
    int64_t faults = 0;        // by the script or by an option
    int64_t disconnected = 0;  // whose client went away before the answer was out
    int64_t open = 0;          // being answered now
    int64_t open_max = 0;
  };

  explicit FakeOpenAiServer(Options options);
  ~FakeOpenAiServer();

  int port() const { return port_; }
  std::string url() const;  // "http://127.0.0.1:PORT/v1"
  Stats stats() const;
  std::vector<Request> requests() const;

 private:
  struct Connection;
  struct Due;
  struct Asked {
    std::string path;
    AnswerStyle style;
    bool scores = false;
    bool stream = false;
    agents::FakeReply reply;
  };

  struct Outcome {
    std::string bytes;
    int64_t samples = 0;
    int64_t scored = 0;
    bool fault = false;
    bool close = false;
  };
  void Loop();
  void Accept();
  void OnReadable(Connection& connection);
  void TakeRequests(Connection& connection);
  void Handle(Connection& connection, const std::string& head, const std::string& body);
  void HandlePost(Connection& connection, Request request);
  std::string RefusalOf(const Request& request, int64_t open) const;
  void Answer(Connection& connection, const Asked& asked);
  void AnswerAtOnce(Connection& connection, const Asked& asked);
  void AnswerInEvents(Connection& connection, const Asked& asked);
  void Finish(Connection& connection, const Outcome& outcome);
  void AnswerAfter(Connection& connection, absl::Duration latency, std::function<void()> answer);
  void Write(Connection& connection, std::string_view bytes);
  void Flush(Connection& connection);
  void Close(int descriptor);
  void RunDue();
  int WaitMilliseconds() const;

  const Options options_;
  int port_ = 0;
  int listening_ = -1;
  int epoll_ = -1;
  int wake_ = -1;
  std::atomic<bool> ending_{false};

  // The loop's own.
  std::map<int, std::unique_ptr<Connection>> connections_;
  std::multimap<absl::Time, Due> due_;
  uint64_t last_identity_ = 0;

  mutable std::mutex mutex_;
  Stats stats_;
  std::vector<Request> requests_;

  std::thread thread_;
};

}  // namespace temper::fakes
