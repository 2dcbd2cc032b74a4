// Which requests are let in: own pages and programs on this machine, no page of others.
#include "orchestrator/dashboard/http_gate.h"

#include <string>

#include "gtest/gtest.h"
#include "httplib.h"

namespace temper::orchestrator {
namespace {

httplib::Request Get(const std::string& host) {
  httplib::Request request;
  request.method = "GET";
  request.path = request.target = "/metrics";
  request.set_header("Host", host);
  return request;
}

httplib::Request Post() {
  httplib::Request request = Get("127.0.0.1:8080");
  request.method = "POST";
  request.path = request.target = "/v1/Get";
  request.set_header("Content-Type", "application/json; charset=utf-8");
  request.set_header("Content-Length", "2");
  request.set_header(kOwnHeader, "1");
  return request;
}

int CodeOf(const httplib::Request& request) {
  const auto refusal = Refuse(request);
  return refusal.has_value() ? refusal->http_code : 0;
}

TEST(HttpGateTest, OnlyLoopbackNamesAreHosts) {
  for (const char* host :
       {"127.0.0.1:8080", "localhost:1", "LocalHost", "[::1]:80", "[::1]", "127.0.0.1"}) {
    EXPECT_EQ(CodeOf(Get(host)), 0) << host;
  }
  for (const char* host :
       {"evil.example:8080", "127.0.0.1.evil.example", "localhost.evil", "127.0.0.1:80@evil", "",
        "10.0.0.1:80", "localhost:", "localhost:123456", "127.0.0.1:8o", "[::1"}) {
    EXPECT_EQ(CodeOf(Get(host)), 403) << host;
  }
  httplib::Request none = Get("x");
  none.headers.clear();
  EXPECT_EQ(CodeOf(none), 403);
  httplib::Request twice = Get("127.0.0.1:8080");
  twice.headers.emplace("Host", "127.0.0.1:8080");
  EXPECT_EQ(CodeOf(twice), 403);
}

TEST(HttpGateTest, AnOriginMustBeThePageItself) {
  httplib::Request request = Post();
  request.set_header("Origin", "http://127.0.0.1:8080");
  EXPECT_EQ(CodeOf(request), 0);
  for (const char* origin : {"http://127.0.0.1:3000", "http://localhost:8080",
                             "https://127.0.0.1:8080", "http://evil.example", "null", ""}) {
    httplib::Request other = Post();
    other.set_header("Origin", origin);
    EXPECT_EQ(CodeOf(other), 403) << origin;
  }
}

TEST(HttpGateTest, WhatAnotherSiteCausesIsRefusedButForOpeningThePage) {
  httplib::Request request = Get("127.0.0.1:8080");
  request.set_header("Sec-Fetch-Site", "cross-site");
  EXPECT_EQ(CodeOf(request), 403);
  request.set_header("Sec-Fetch-Mode", "navigate");
  EXPECT_EQ(CodeOf(request), 403);
  request.path = request.target = "/";
  EXPECT_EQ(CodeOf(request), 0);
  httplib::Request own = Get("127.0.0.1:8080");
  own.set_header("Sec-Fetch-Site", "same-origin");
  EXPECT_EQ(CodeOf(own), 0);
}

TEST(HttpGateTest, APostIsJsonUnderOurHeaderPlainAndOfKnownLength) {
  EXPECT_EQ(CodeOf(Post()), 0);
  const auto without = [](const char* header) {
    httplib::Request request = Post();
    request.headers.erase(header);
    return CodeOf(request);
  };
  EXPECT_EQ(without(kOwnHeader), 403);
  EXPECT_EQ(without("Content-Type"), 415);
  EXPECT_EQ(without("Content-Length"), 411);
  const auto with = [](const char* header, const std::string& value) {
    httplib::Request request = Post();
    request.headers.erase(header);
    request.set_header(header, value);
    return CodeOf(request);
  };
  EXPECT_EQ(with("Content-Type", "text/plain"), 415);
  EXPECT_EQ(with("Content-Type", "multipart/form-data; boundary=application/json"), 415);
  EXPECT_EQ(with("Transfer-Encoding", "chunked"), 415);
  EXPECT_EQ(with("Content-Encoding", "gzip"), 415);
  EXPECT_EQ(with("Content-Length", "-1"), 411);
  EXPECT_EQ(with("Content-Length", std::to_string(kBodyBytesMax)), 0);
  EXPECT_EQ(with("Content-Length", std::to_string(kBodyBytesMax + 1)), 413);
}

TEST(HttpGateTest, OtherMethodsLongAddressesAndBadTokensAreRefused) {
  for (const char* method : {"PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"}) {
    httplib::Request request = Get("localhost:8080");
    request.method = method;
    EXPECT_EQ(CodeOf(request), 405) << method;
  }
  httplib::Request lengthy = Get("localhost:8080");
  lengthy.target = "/" + std::string(2000, 'a');
  EXPECT_EQ(CodeOf(lengthy), 414);
  httplib::Request token = Get("localhost:8080");
  token.headers.emplace("Authorization", "Bearer a\x01");
  EXPECT_EQ(CodeOf(token), 400);
}

}  // namespace
}  // namespace temper::orchestrator
