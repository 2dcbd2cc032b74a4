// What a fake OpenAI server writes: bodies and streams made of a script's reply. Pure.
#pragma once

#include <string>
#include <vector>

#include "agents/endpoint/fake_script.h"
#include "nlohmann/json.hpp"

namespace temper::fakes {

struct AnswerStyle {
  std::string model;
  bool usage = true;
  bool token_ids = false;
  bool logprobs = false;
  std::string thinks;  // see FakeOpenAiServer::Options
};

// One JSON body of /chat/completions.
std::string ChatJson(const agents::FakeReply& reply, const AnswerStyle& style);

// The pieces of a stream, each with its "data: ...\n\n"; without "[DONE]".
std::vector<std::string> ChatEvents(const agents::FakeReply& reply, const AnswerStyle& style);

// A body of /pooling, /classify or /score, or of a chat that scores.
std::string ScoreJson(const std::string& path, const agents::FakeReply& reply,
                      const std::string& model);

// An answer of HTTP/1.1 with its length; `headers`: whole lines with "\r\n".
std::string HttpAnswer(int status, const std::string& body, const std::string& headers = "");

std::string ErrorJson(const std::string& message, const std::string& type, const std::string& code,
                      const std::string& param = "");

}  // namespace temper::fakes
