// Feeds arbitrary bytes to the parser of chat and completion requests; what is accepted must be
// within the bounds that backends rely on.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/openai_server/answer_json.h"
#include "base/openai_server/api_error.h"
#include "base/openai_server/request_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace temper;  // NOLINT(google-build-using-namespace)
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  for (const auto kind : {ServedRequest::Kind::kChat, ServedRequest::Kind::kCompletion}) {
    const auto request = ParseServedRequest(kind, text, "");
    if (!request.ok()) {
      TEMPER_CHECK(HttpStatusOf(request.status()) == 400);
      TEMPER_CHECK(Dump(ErrorBody(request.status())).size() < 4096 + size);
      continue;
    }
    TEMPER_CHECK(request->n >= 1 && request->choices() <= kChoicesMax);
    TEMPER_CHECK(kind == ServedRequest::Kind::kChat ? !request->messages.empty()
                                                    : !request->prompts.empty());
    TEMPER_CHECK(request->max_tokens.value_or(1) >= 1 && request->top_logprobs <= 20);
    for (const std::string& stop : request->stop) TEMPER_CHECK(!stop.empty());
    AnswerForm form(*request, "id", 0);
    TEMPER_CHECK(!Dump(form.Chunk(0, {.text = request->model}, true)).empty());
  }
  return 0;
}
