// POST /chat/completions as OpenAI, vLLM, NIM and most others speak it: always a stream on the
// wire, so that the server sees at once when nobody listens any more.
#pragma once

#include <memory>

#include "agents/endpoint/http/chat_body.h"
#include "agents/endpoint/http/http_wire.h"

namespace temper::agents {

class OpenAiDialect : public HttpDialect {
 public:
  explicit OpenAiDialect(bool return_token_ids) { manners_.return_token_ids = return_token_ids; }

  const char* path() const override { return "/chat/completions"; }
  std::unique_ptr<HttpConversation> Begin(const Attempt& attempt) override;

 private:
  class Conversation;
  ChatManners manners_;  // as far as the server has taught them
};

}  // namespace temper::agents
