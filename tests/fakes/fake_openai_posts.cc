// What a fake OpenAI server answers to a POST: refusals, bodies, streams, and faults on the wire.
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/fakes/fake_openai_server.h"

namespace temper::fakes {
namespace {

using agents::FakeFault;
using agents::FakeReply;
using nlohmann::json;

std::string Chunk(const std::string& bytes) {
  return absl::StrCat(absl::Hex(bytes.size()), "\r\n", bytes, "\r\n");
}

}  // namespace

// Of what the options refuse: the answer; "" where they do not.
std::string FakeOpenAiServer::RefusalOf(const Request& request, int64_t open) const {
  const json& body = request.body;
  const auto wrong = [](const std::string& words, const std::string& code = "",
                        const std::string& param = "") {
    return HttpAnswer(400, ErrorJson(words, "invalid_request_error", code, param));
  };
  const auto found = request.headers.find("authorization");
  const std::string key = found == request.headers.end() ? "" : found->second;
  if (!request.path.ends_with("/chat/completions") && !request.path.ends_with("/pooling") &&
      !request.path.ends_with("/classify") && !request.path.ends_with("/score")) {
    return HttpAnswer(404, ErrorJson("no such path", "not_found", ""));
  }
  if (!body.is_object()) return wrong("no JSON");
  if (!options_.key.empty() && key != absl::StrCat("Bearer ", options_.key)) {
    return HttpAnswer(401, ErrorJson("a wrong key", "invalid_request_error", "invalid_api_key"));
  }
  if (options_.echoes_key) return wrong(absl::StrCat("you came with ", key));
  if (options_.busy_above > 0 && open > options_.busy_above) {
    return HttpAnswer(429, R"({"status": 429, "title": "Too Many Requests"})");
  }
  if (options_.refuses_max_tokens && body.contains("max_tokens")) {
    return wrong(
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
        "'max_completion_tokens' instead.",
        "unsupported_parameter", "max_tokens");
  }
  if (options_.refuses_n && body.value("n", 1) > 1) return wrong("'n' must be 1");
  return "";
}

void FakeOpenAiServer::Answer(Connection& connection, const Asked& asked) {
  const FakeReply& reply = asked.reply;
  const std::string pause = reply.retry_after_seconds > 0
                                ? absl::StrCat("Retry-After: ", reply.retry_after_seconds, "\r\n")
                                : "";
  const auto fail = [&](int status, const std::string& error) {
    Finish(connection, {.bytes = HttpAnswer(status, error, pause), .fault = true});
  };
  switch (reply.fault) {
    case FakeFault::kHttp503:
      return fail(503, "the server is busy");
    case FakeFault::kHttp429:
      return fail(429, ErrorJson("slow down", "rate_limit_error", "rate_limit_exceeded"));
    case FakeFault::kQuota:
      return fail(429, ErrorJson("You exceeded your current quota", "insufficient_quota",
                                 "insufficient_quota"));
    case FakeFault::kBadRequest:
      return fail(400, ErrorJson("a bad request", "invalid_request_error", ""));
    case FakeFault::kContext:
      return fail(400, ErrorJson("This model's maximum context length is 8 tokens",
                                 "invalid_request_error", "context_length_exceeded"));
    default:
      return asked.stream ? AnswerInEvents(connection, asked) : AnswerAtOnce(connection, asked);
  }
}

void FakeOpenAiServer::AnswerAtOnce(Connection& connection, const Asked& asked) {
  const FakeReply& reply = asked.reply;
  if (reply.fault == FakeFault::kErrorInStream) {
    return Finish(connection,
                  {.bytes = HttpAnswer(200, ErrorJson("the engine died", "server_error", "")),
                   .fault = true});
  }
  const std::string whole =
      HttpAnswer(200, asked.scores ? ScoreJson(asked.path, reply, asked.style.model)
                                   : ChatJson(reply, asked.style));
  const std::string cut = whole.substr(0, whole.size() - 20);
  if (reply.fault == FakeFault::kTruncate) {
    return Finish(connection, {.bytes = cut, .fault = true, .close = true});
  }
  if (reply.fault == FakeFault::kStall) return Write(connection, cut);  // until the client goes
  Finish(connection, {.bytes = whole,
                      .samples = static_cast<int64_t>(reply.texts.size()),
                      .scored = asked.scores ? 1 : 0});
}

void FakeOpenAiServer::AnswerInEvents(Connection& connection, const Asked& asked) {
  const FakeReply& reply = asked.reply;
  const bool broken = reply.fault == FakeFault::kTruncate || reply.fault == FakeFault::kStall ||
                      reply.fault == FakeFault::kErrorInStream;
  std::string bytes =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
  bytes += Chunk(": hello\n\n");
  const std::vector<std::string> events = ChatEvents(reply, asked.style);
  // Where it breaks off, no choice has a finish reason yet.
  const size_t sent = broken ? 2 * reply.texts.size() : events.size();
  for (size_t i = 0; i < sent; ++i) bytes += Chunk(events[i]);
  if (reply.fault == FakeFault::kStall) return Write(connection, bytes);  // until the client goes
  if (reply.fault == FakeFault::kErrorInStream) {
    bytes +=
        Chunk(absl::StrCat("data: ", ErrorJson("the engine died", "server_error", ""), "\n\n"));
  }
  if (reply.fault != FakeFault::kTruncate) bytes += Chunk("data: [DONE]\n\n");
  bytes += "0\r\n\r\n";
  Finish(connection, {.bytes = bytes,
                      .samples = broken ? 0 : static_cast<int64_t>(reply.texts.size()),
                      .fault = broken});
}

}  // namespace temper::fakes
