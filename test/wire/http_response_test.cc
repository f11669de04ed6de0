#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/text.h"
#include "wire/http/request_parser.h"
#include "wire/http/request_writer.h"
#include "wire/http/response_parser.h"
#include "wire/http/response_writer.h"

namespace penstock::wire::http {
namespace {

using State = ResponseParser::State;

struct Seen {
  std::vector<std::string> responses;
  std::string failure;
  bool operator==(const Seen&) const = default;
};

// Reads `input` in pieces that end at `cut`, or of one byte each; then the connection ends.
Seen read(std::string_view input, std::size_t cut = 0, bool single = false) {
  ResponseParser parser;
  Seen seen;
  const auto note = [&] {
    std::string text = std::to_string(parser.status()) + (parser.keep_alive() ? " keep" : " close");
    for (const auto& field : parser.fields().all()) {
      text.append(" ").append(field.name).append("=").append(field.value);
    }
    seen.responses.push_back(text.append(" [").append(parser.body()).append("]"));
    parser.next();
  };
  const auto receive = [&](std::string_view piece) {
    while (seen.failure.empty() && !piece.empty()) {
      const auto fed = parser.feed(as_bytes(piece));
      piece.remove_prefix(fed.consumed);
      if (fed.state == State::failed) seen.failure = parser.failure().message;
      if (fed.state != State::complete) break;
      note();
    }
  };
  if (single) {
    for (const char c : input) receive({&c, 1});
  } else {
    receive(input.substr(0, cut));
    receive(input.substr(cut));
  }
  if (seen.failure.empty() && parser.finish() == State::complete) note();
  return seen;
}

const std::vector<std::string>& corpus() {
  static const std::vector<std::string> inputs{
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 204 No Content\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\n\r\nuntil the end",
      "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Service Unavailable\r\nRetry-After: "
      "2\r\nContent-Length: 1\r\n\r\n!",
      "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n",
      "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi",
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
      "HTTP/1.1 101 Switching\r\n\r\n",
      "HTTP/1.1 099 X\r\n\r\n",
      "HTTP/1.1 2000 X\r\n\r\n",
      "HTTP/3.0 200 OK\r\n\r\n",
      "SSH-2.0-OpenSSH\r\n\r\n",
  };
  return inputs;
}

TEST(HttpResponse, IsReadByLengthInChunksAndUntilTheEnd) {
  const auto& inputs = corpus();
  EXPECT_EQ(read(inputs[0]).responses,
            (std::vector<std::string>{"200 keep Content-Length=2 [hi]", "204 keep []"}));
  EXPECT_EQ(read(inputs[1]).responses,
            (std::vector<std::string>{"200 keep Transfer-Encoding=chunked [hi]"}));
  EXPECT_EQ(read(inputs[2]).responses, (std::vector<std::string>{"200 close [until the end]"}));
  EXPECT_EQ(read(inputs[4]).responses,
            (std::vector<std::string>{"503 keep Retry-After=2 Content-Length=1 [!]"}));
  EXPECT_EQ(read(inputs[5]).responses,
            (std::vector<std::string>{"304 keep Content-Length=100 []"}));
}

TEST(HttpResponse, IsRefusedWhenItIsCutShortOrAmbiguous) {
  for (std::size_t i = 7; i < corpus().size(); ++i) {
    EXPECT_TRUE(read(corpus()[i]).responses.empty()) << quoted(corpus()[i], 200);
  }
}

TEST(HttpResponse, IsReadTheSameHoweverItIsCut) {
  for (const auto& input : corpus()) {
    const auto whole = read(input);
    for (std::size_t cut = 0; cut <= input.size(); ++cut) {
      EXPECT_EQ(read(input, cut), whole) << quoted(input, 200) << " cut at " << cut;
    }
    EXPECT_EQ(read(input, 0, true), whole) << quoted(input, 200);
  }
}

TEST(HttpResponse, EndsTheConnectionWhenItSaysSo) {
  EXPECT_EQ(
      read("HTTP/1.1 200 OK\r\nConnection: te, close\r\nContent-Length: 0\r\n\r\n").responses[0],
      "200 close Connection=te, close Content-Length=0 []");
  EXPECT_EQ(read("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").responses[0],
            "200 close Content-Length=0 []");
}

TEST(HttpResponse, ToAHeadRequestHasNoBody) {
  ResponseParser parser;
  parser.set_to_head(true);
  EXPECT_EQ(parser.feed(as_bytes("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")).state,
            State::complete);
}

TEST(HttpResponse, IsWrittenInFull) {
  std::string out;
  ResponseWriter(out, 503).field("Retry-After", 3).body("application/json", "{}");
  EXPECT_EQ(
      out,
      "HTTP/1.1 503 Service Unavailable\r\nX-Content-Type-Options: nosniff\r\nRetry-After: 3\r\n"
      "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
  out.clear();
  ResponseWriter(out, 204, {.keep_alive = false}).no_body();
  EXPECT_EQ(
      out,
      "HTTP/1.1 204 No Content\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n");
  out.clear();
  ResponseWriter(out, 200, {.to_head = true}).body("text/plain", "hello");
  EXPECT_TRUE(out.ends_with("Content-Length: 5\r\n\r\n"));
}

TEST(HttpResponse, NeverLetsAValueBreakTheFraming) {
  std::string out;
  ResponseWriter(out, 200)
      .field("X-Queue", "a\r\nSet-Cookie: b\n\x01z")
      .field("Bad: x\r\nY", "dropped")
      .body("text/plain\r\nEvil: 1", "");
  EXPECT_EQ(
      read(out).responses,
      (std::vector<std::string>{"200 keep X-Content-Type-Options=nosniff X-Queue=a  Set-Cookie: b "
                                " z Content-Type=text/plain  Evil: 1 Content-Length=0 []"}));
}

TEST(HttpResponse, StreamsEventsThatAreReadBackInOnePiece) {
  std::string out;
  ResponseWriter(out, 200).stream("text/event-stream");
  StreamWriter stream(out);
  stream.data("");
  stream.event("depth", "{\"a\":1}\nsecond", "7");
  stream.heartbeat();
  stream.end();
  EXPECT_EQ(read(out).responses,
            (std::vector<std::string>{
                "200 keep X-Content-Type-Options=nosniff Content-Type=text/event-stream "
                "Cache-Control=no-store Transfer-Encoding=chunked [id: 7\nevent: depth\ndata: "
                "{\"a\":1}\ndata: second\n\n:\n\n]"}));
}

TEST(HttpResponse, StreamsPlainBytesToHttp10) {
  std::string out;
  const ResponseOptions options{.keep_alive = false, .http_1_0 = true};
  ResponseWriter(out, 200, options).stream("text/plain");
  StreamWriter stream(out, true);
  stream.data("abc");
  stream.end();
  EXPECT_TRUE(out.ends_with("\r\n\r\nabc"));
  EXPECT_EQ(out.find("chunked"), std::string::npos);
}

TEST(HttpRequestWriter, IsReadBackByTheServer) {
  std::string out;
  const Field fields[] = {{"Authorization", "Bearer x"}, {"X-Evil", "a\r\nHost: b"}};
  write_request(out, {.method = "POST",
                      .target = "/v1/a b\r\n%2F?x=1",
                      .host = "localhost:7411",
                      .fields = fields,
                      .content_type = "application/json",
                      .body = "{}"});
  RequestParser parser;
  auto fed = parser.feed(as_bytes(out));
  EXPECT_EQ(fed.state, RequestParser::State::failed) << "an encoded line end is refused";
  out.clear();
  write_request(out, {.method = "POST",
                      .target = "/v1/a b%2F?x=1",
                      .host = "localhost:7411",
                      .fields = fields,
                      .content_type = "application/json",
                      .body = "{}"});
  RequestParser server;
  fed = server.feed(as_bytes(out));
  ASSERT_EQ(fed.state, RequestParser::State::head_done) << server.failure().message;
  ASSERT_EQ(server.feed(as_bytes(out).subspan(fed.consumed)).state, RequestParser::State::complete);
  EXPECT_EQ(server.segments(), (std::vector<std::string>{"v1", "a b/"}));
  EXPECT_EQ(server.host(), "localhost:7411");
  EXPECT_EQ(server.fields().value("x-evil"), "a  Host: b");
  EXPECT_EQ(server.body(), "{}");
}

}  // namespace
}  // namespace penstock::wire::http
