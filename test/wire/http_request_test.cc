#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/text.h"
#include "wire/http/request_parser.h"

namespace penstock::wire::http {
namespace {

using State = RequestParser::State;

// What a connection saw: one line for each request, and the refusal if there was one.
struct Seen {
  std::vector<std::string> requests;
  int status = 0;
  std::string message;
  bool operator==(const Seen&) const = default;
};

class Connection {
 public:
  explicit Connection(const Limits& limits = {}) : parser_(limits) {}

  void receive(std::string_view piece) {
    for (;;) {
      const auto fed = parser_.feed(as_bytes(piece));
      piece.remove_prefix(fed.consumed);
      if (fed.state == State::head_done) continue;
      if (fed.state == State::complete) {
        seen_.requests.push_back(line());
        parser_.next();
        continue;
      }
      if (fed.state == State::failed) {
        seen_.status = parser_.failure().status;
        seen_.message = parser_.failure().message;
      } else {
        EXPECT_TRUE(piece.empty()) << "need_more leaves nothing behind";
      }
      return;
    }
  }
  const Seen& seen() const { return seen_; }
  RequestParser& parser() { return parser_; }

 private:
  std::string line() const {
    std::string text = std::string(name_of(parser_.method())) + " " + parser_.path() + " ?" +
                       std::string(parser_.raw_query()) + " @" + std::string(parser_.host()) +
                       (parser_.keep_alive() ? " keep" : " close");
    for (const auto& field : parser_.fields().all()) {
      text.append(" ").append(field.name).append("=").append(field.value);
    }
    return text.append(" [").append(parser_.body()).append("]");
  }

  RequestParser parser_;
  Seen seen_;
};

Seen read(std::string_view input, const Limits& limits = {}) {
  Connection connection(limits);
  connection.receive(input);
  return connection.seen();
}

std::string post(std::string_view fields, std::string_view rest = "") {
  return "POST /q HTTP/1.1\r\nHost: localhost\r\n" + std::string(fields) + "\r\n" +
         std::string(rest);
}
std::string chunked(std::string_view body) {
  return post("Transfer-Encoding: chunked\r\n", body);
}

// Requests that are served, with what is seen of them.
const std::vector<std::pair<std::string, std::vector<std::string>>> kGood{
    {"GET / HTTP/1.1\r\nHost: localhost:7411\r\n\r\n",
     {"GET / ? @localhost:7411 keep Host=localhost:7411 []"}},
    {"\r\nGET /a%20b?x=%41&y HTTP/1.1\r\nhost:[::1]\r\nX: \t a b \t\r\nEmpty:\r\n\r\n",
     {"GET /a b ?x=%41&y @[::1] keep host=[::1] X=a b Empty= []"}},
    {post("Content-Length: 5\r\n", "hello"),
     {"POST /q ? @localhost keep Host=localhost Content-Length=5 [hello]"}},
    {post("Content-Length: 0\r\n"),
     {"POST /q ? @localhost keep Host=localhost Content-Length=0 []"}},
    {post("content-length: 2\r\nConnection: close\r\n", "\r\n"),
     {"POST /q ? @localhost close Host=localhost content-length=2 Connection=close [\r\n]"}},
    {chunked("3\r\nabc\r\n0a;x=\"y\"\r\n0123456789\r\n000\r\nTrailer: x\r\nHost: evil\r\n\r\n"),
     {"POST /q ? @localhost keep Host=localhost Transfer-Encoding=chunked [abc0123456789]"}},
    {post("Transfer-Encoding: Chunked\r\n", "0\r\n\r\n"),
     {"POST /q ? @localhost keep Host=localhost Transfer-Encoding=Chunked []"}},
    {"GET http://LocalHost/a?b HTTP/1.1\r\nHost: localhost\r\n\r\n",
     {"GET /a ?b @LocalHost keep Host=localhost []"}},
    {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", {"OPTIONS * ? @a keep Host=a []"}},
    {"GET / HTTP/1.0\r\n\r\n", {"GET / ? @ close []"}},
    {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
     {"GET / ? @ keep Connection=keep-alive []"}},
    {"DELETE /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nzGET / HTTP/1.1\r\nHost: "
     "b\r\n\r\n"
     "\r\nHEAD / HTTP/1.1\r\nHost: c\r\n\r\n",
     {"DELETE /x ? @a keep Host=a Content-Length=1 [z]", "GET / ? @b keep Host=b []",
      "HEAD / ? @c keep Host=c []"}},
};

// Requests that are refused: smuggling, and what other servers have been caught by.
const std::vector<std::pair<std::string, int>> kBad{
    // Two lengths.
    {post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
    {post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400},
    {post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400},
    {post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), 400},
    {post("Content-Length: 5, 5\r\n", "hello"), 400},
    // Lengths that are no number.
    {post("Content-Length: +5\r\n", "hello"), 400},
    {post("Content-Length: -5\r\n", "hello"), 400},
    {post("Content-Length: 0x5\r\n", "hello"), 400},
    {post("Content-Length: 5_0\r\n", "hello"), 400},
    {post("Content-Length: 5 0\r\n", "hello"), 400},
    {post("Content-Length: 5;\r\n", "hello"), 400},
    {post("Content-Length: \"5\"\r\n", "hello"), 400},
    {post("Content-Length:\r\n", "hello"), 400},
    {post("Content-Length: 18446744073709551616\r\n"), 400},
    {post("Content-Length: 00000000000000000005\r\n", "hello"), 400},
    // Transfer codings.
    {post("Transfer-Encoding: gzip\r\n"), 501},
    {post("Transfer-Encoding: identity\r\n"), 501},
    {post("Transfer-Encoding: chunked, gzip\r\n"), 400},
    {post("Transfer-Encoding: gzip, chunked\r\n"), 400},
    {post("Transfer-Encoding: chunked, chunked\r\n"), 400},
    {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
    {post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), 400},
    {post("Transfer-Encoding: xchunked\r\n"), 400},
    {post("Transfer-Encoding: chunked;q=1\r\n"), 400},
    {post("Transfer-Encoding: \"chunked\"\r\n"), 400},
    {post("Transfer-Encoding: \x0b"
          "chunked\r\n"),
     400},
    {post("Transfer-Encoding:\r\n"), 501},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    // Chunks.
    {chunked("0_2e\r\n"), 400},
    {chunked("0x5\r\nhello\r\n"), 400},
    {chunked("0X5\r\nhello\r\n"), 400},
    {chunked("+5\r\nhello\r\n"), 400},
    {chunked("-5\r\nhello\r\n"), 400},
    {chunked(" 5\r\nhello\r\n"), 400},
    {chunked("5 \r\nhello\r\n"), 400},
    {chunked("5 ;a\r\nhello\r\n"), 400},
    {chunked("5\nhello\r\n"), 400},
    {chunked("5\rhello\r\n"), 400},
    {chunked("5\r\rhello\r\n"), 400},
    {chunked("\r\nhello\r\n"), 400},
    {chunked(";a\r\nhello\r\n"), 400},
    {chunked("g\r\nhello\r\n"), 400},
    {chunked("5;a\nb\r\nhello\r\n"), 400},
    {chunked("5;" + std::string(300, 'a') + "\r\n"), 400},
    {chunked("5\r\nhelloX\r\n"), 400},
    {chunked("5\r\nhello\n0\r\n\r\n"), 400},
    {chunked("5\r\nhello\rX"), 400},
    {chunked("00000000000000001\r\na\r\n"), 400},
    {chunked("ffffffffffffffff\r\n"), 413},
    {chunked("8000000000000000\r\n"), 413},
    {chunked("0\r\nno field\r\n\r\n"), 400},
    {chunked("0\r\n: empty\r\n\r\n"), 400},
    {chunked("0\r\nA : b\r\n\r\n"), 400},
    {chunked("0\r\na\nb: c\r\n\r\n"), 400},
    {chunked("0\r\n\n"), 400},
    {chunked("0\r\n" + std::string(9000, 'a')), 400},
    // Lines.
    {"GET / HTTP/1.1\nHost: a\n\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX(y): b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX\xc3\xa4: b\r\n\r\n", 400},
    {std::string("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 34), 400},
    {"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    // Host.
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET http://evil/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
    // The request line.
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
    {"GET / \r\nHost: a\r\n\r\n", 400},
    {"GET /\r\nHost: a\r\n\r\n", 400},
    {"GET\r\nHost: a\r\n\r\n", 400},
    {"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505},
    {"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
    {"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
    {"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501},
    {"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
    // The target.
    {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /?a=%0d%0a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /a/%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /. HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    // Sizes.
    {"GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
    {"GET /" + std::string(8192, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
    {"GET /" + std::string(20000, 'a'), 414},
    {post("X: " + std::string(17000, 'a') + "\r\n"), 431},
    {post("X: " + std::string(17000, 'a')), 431},
    {post("Expect: miracles\r\n"), 417},
    // Other protocols.
    {"*1\r\n$4\r\nPING\r\n\r\n", 400},
    {std::string("AMQP\0\0\x09\x01\r\n\r\n", 12), 400},
    {"{\"a\":1}\r\n\r\n", 400},
};

TEST(HttpRequest, ReadsWhatIsWellFormed) {
  for (const auto& [input, expected] : kGood) {
    const auto seen = read(input);
    EXPECT_EQ(seen.requests, expected) << quoted(input, 200);
    EXPECT_EQ(seen.status, 0) << quoted(input, 200) << " " << seen.message;
  }
}

TEST(HttpRequest, RefusesWhatIsNot) {
  for (const auto& [input, status] : kBad) {
    const auto seen = read(input);
    EXPECT_EQ(seen.status, status) << quoted(input, 200) << " " << seen.message;
    EXPECT_TRUE(seen.requests.empty()) << quoted(input, 200);
    EXPECT_EQ(seen.message.find_first_of(std::string_view("\r\n\0", 3)), std::string::npos);
  }
}

TEST(HttpRequest, IsReadTheSameHoweverItIsCut) {
  std::vector<std::string> inputs;
  for (const auto& [input, expected] : kGood) inputs.push_back(input);
  for (const auto& [input, status] : kBad) inputs.push_back(input);
  for (const auto& input : inputs) {
    const auto whole = read(input);
    const std::size_t step = input.size() > 2000 ? 97 : 1;
    for (std::size_t cut = 0; cut <= input.size(); cut += step) {
      Connection connection;
      connection.receive(std::string_view(input).substr(0, cut));
      connection.receive(std::string_view(input).substr(cut));
      EXPECT_EQ(connection.seen(), whole) << quoted(input, 200) << " cut at " << cut;
    }
    Connection connection;
    for (const char c : input) connection.receive({&c, 1});
    EXPECT_EQ(connection.seen(), whole) << quoted(input, 200) << " byte by byte";
  }
}

// A byte changed anywhere: whatever the verdict, it must not depend on the cut, and nothing may
// break.
TEST(HttpRequest, IsReadTheSameHoweverItIsCutWithAnyByteChanged) {
  for (const auto& [input, expected] : kGood) {
    for (std::size_t at = 0; at < input.size(); ++at) {
      for (const char c : {'\0', '\r', '\n', ' ', ':', '0', 'f', '\xff'}) {
        auto changed = input;
        changed[at] = c;
        Connection connection;
        for (const char byte : changed) connection.receive({&byte, 1});
        EXPECT_EQ(connection.seen(), read(changed)) << quoted(changed, 200);
      }
    }
  }
}

TEST(HttpRequest, StaysRefusedAndNeverKeepsTheConnection) {
  RequestParser parser;
  EXPECT_EQ(parser.feed(as_bytes("GET / HTTP/1.1\r\n\r\n")).state, State::failed);
  EXPECT_FALSE(parser.keep_alive());
  EXPECT_EQ(parser.feed(as_bytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n")).state, State::failed);
}

TEST(HttpRequest, HoldsTheNumberOfFields) {
  std::string fields;
  for (int i = 0; i < 99; ++i) fields += "X: y\r\n";
  EXPECT_EQ(read(post(fields)).requests.size(), 1u);
  EXPECT_EQ(read(post(fields + "X: y\r\n")).status, 431);
}

TEST(HttpRequest, LetsTheRouteSetTheBodyLimitWhenTheHeadIsKnown) {
  for (const std::uint64_t limit : {4u, 5u}) {
    for (const auto& input :
         {post("Content-Length: 5\r\n", "hello"), chunked("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")}) {
      RequestParser parser;
      auto fed = parser.feed(as_bytes(input));
      ASSERT_EQ(fed.state, State::head_done);
      parser.set_max_body_bytes(limit);
      fed = parser.feed(as_bytes(input).subspan(fed.consumed));
      EXPECT_EQ(fed.state, limit == 5 ? State::complete : State::failed) << input;
      EXPECT_EQ(parser.failure().code, limit == 5 ? "" : "body_too_large");
    }
  }
}

TEST(HttpRequest, RefusesATooLargeBodyBeforeItArrives) {
  EXPECT_EQ(read(post("Content-Length: 17000000\r\n", "x")).status, 413);
}

TEST(HttpRequest, TakesNoMemoryForALengthThatIsOnlyDeclared) {
  Limits limits;
  limits.max_body_bytes = 1u << 30;
  RequestParser parser(limits);
  const auto input = post("Content-Length: 536870912\r\n", "0123456789");
  auto fed = parser.feed(as_bytes(input));
  ASSERT_EQ(fed.state, State::head_done);
  fed = parser.feed(as_bytes(input).subspan(fed.consumed));
  EXPECT_EQ(fed.state, State::need_more);
  EXPECT_EQ(parser.body(), "0123456789");
  EXPECT_LE(parser.take_body().capacity(), 64u);
}

TEST(HttpRequest, ConsumesExactlyOneMessage) {
  const auto first = post("Content-Length: 3\r\n", "abc");
  const auto input = first + "GET / HT";
  RequestParser parser;
  const auto head = parser.feed(as_bytes(input));
  const auto body = parser.feed(as_bytes(input).subspan(head.consumed));
  EXPECT_EQ(body.state, State::complete);
  EXPECT_EQ(head.consumed + body.consumed, first.size());
  EXPECT_EQ(parser.feed(as_bytes("more")).consumed, 0u) << "until next() is called";
}

TEST(HttpRequest, TellsThatTheClientWaitsToContinue) {
  RequestParser parser;
  const auto input = post("Expect: 100-Continue\r\nContent-Length: 3\r\n");
  ASSERT_EQ(parser.feed(as_bytes(input)).state, State::head_done);
  EXPECT_TRUE(parser.expects_continue());
}

TEST(HttpRequest, SplitsThePathBeforeDecodingIt) {
  RequestParser parser;
  ASSERT_EQ(
      parser.feed(as_bytes("GET /v1/queues/a%2Fb?peek=2&name=x+%26 HTTP/1.1\r\nHost: a\r\n\r\n"))
          .state,
      State::complete);
  EXPECT_EQ(parser.segments(), (std::vector<std::string>{"v1", "queues", "a/b"}));
  EXPECT_EQ(parser.query("peek"), "2");
  EXPECT_EQ(parser.query("name"), "x &");
  EXPECT_EQ(parser.query("none"), std::nullopt);
  EXPECT_EQ(parser.fields().value("HOST"), "a");
}

}  // namespace
}  // namespace penstock::wire::http
