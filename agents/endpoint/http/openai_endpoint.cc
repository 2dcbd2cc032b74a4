// A body out, a stream in, and what the server's refusals teach.
#include "agents/endpoint/http/openai_endpoint.h"

#include <utility>

#include "agents/endpoint/http/chat_answer.h"

namespace temper::agents {

class OpenAiDialect::Conversation : public HttpConversation {
 public:
  Conversation(const Attempt& attempt, ChatManners& manners)
      : attempt_(attempt), manners_(manners), sent_(manners), answer_(attempt.samples.size()) {}

  std::string Body() override {
    std::string body = ChatBody(attempt_, sent_);
    body_bytes_ = body.size();
    return body;
  }
  bool Feed(const HttpHead& head, std::string_view bytes) override {
    return answer_.Feed(head, bytes);
  }
  AttemptEnd End(const HttpEnd& ended, absl::Time now) override {
    return answer_.End(ended, now, body_bytes_);
  }
  void Learn(const ServerError& error, AttemptEnd& end) override {
    if (end.worth_a_retry || error.quota() || error.context()) return;
    if (manners_.Learn(error, sent_)) {
      end.other_words = true;
    } else if (attempt_.samples.size() > 1 && error.refuses_n()) {
      end.one_sample_at_once = true;
    }
  }

 private:
  const Attempt attempt_;
  ChatManners& manners_;
  const ChatManners sent_;
  ChatAnswer answer_;
  size_t body_bytes_ = 0;
};

std::unique_ptr<HttpConversation> OpenAiDialect::Begin(const Attempt& attempt) {
  return std::make_unique<Conversation>(attempt, manners_);
}

}  // namespace temper::agents
