#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/text.h"
#include "wire/resp/reply_reader.h"
#include "wire/resp/reply_writer.h"

namespace penstock::wire::resp {
namespace {

struct Seen {
  std::vector<Reply> replies;
  std::string error;
  bool operator==(const Seen&) const = default;
};

class Connection {
 public:
  explicit Connection(const ReplyLimits& limits = {}) : reader_(limits) {}
  void receive(std::string_view piece) {
    if (!seen_.error.empty()) return;
    buffer_ = std::string(buffer_).append(piece);
    for (;;) {
      const auto outcome = reader_.parse(as_bytes(buffer_));
      buffer_ = buffer_.substr(outcome.consumed);
      if (outcome.status == ReplyReader::Status::reply) {
        seen_.replies.push_back(std::move(reader_.reply()));
        continue;
      }
      if (outcome.status == ReplyReader::Status::error) seen_.error = reader_.error();
      return;
    }
  }
  const Seen& seen() const { return seen_; }

 private:
  ReplyReader reader_;
  std::string buffer_;
  Seen seen_;
};

Seen read(std::string_view input, const ReplyLimits& limits = {}) {
  Connection connection(limits);
  connection.receive(input);
  return connection.seen();
}

Reply text_reply(ReplyType type, std::string text) {
  Reply reply;
  reply.type = type;
  reply.text = std::move(text);
  return reply;
}

Reply integer_reply(std::int64_t value, ReplyType type = ReplyType::integer) {
  Reply reply;
  reply.type = type;
  reply.integer = value;
  return reply;
}

Reply items_reply(ReplyType type, std::vector<Reply> items) {
  Reply reply;
  reply.type = type;
  reply.items = std::move(items);
  return reply;
}

std::string written(Version version, auto&& write) {
  std::string out;
  ReplyWriter writer(out, version);
  write(writer);
  return out;
}

void everything(ReplyWriter& w) {
  w.map(2);
  w.simple("server");
  w.bulk("penstock");
  w.bulk("proto");
  w.integer(-3);
  w.ok();
  w.error("ERR no such thing");
  w.array(3);
  w.null();
  w.null_array();
  w.set(1);
  w.boolean(true);
  w.push(2);
  w.number(0.1);
  w.verbatim("txt", "a\r\nb");
  w.array(0);
}

TEST(RespReply, IsWrittenForVersion2WithWhatVersion2Has) {
  EXPECT_EQ(written(Version::resp2, everything),
            "*4\r\n+server\r\n$8\r\npenstock\r\n$5\r\nproto\r\n:-3\r\n+OK\r\n-ERR no such thing\r\n"
            "*3\r\n$-1\r\n*-1\r\n*1\r\n:1\r\n*2\r\n$3\r\n0.1\r\n$4\r\na\r\nb\r\n*0\r\n");
}

TEST(RespReply, IsWrittenForVersion3WithItsOwnTypes) {
  EXPECT_EQ(written(Version::resp3, everything),
            "%2\r\n+server\r\n$8\r\npenstock\r\n$5\r\nproto\r\n:-3\r\n+OK\r\n-ERR no such thing\r\n"
            "*3\r\n_\r\n_\r\n~1\r\n#t\r\n>2\r\n,0.1\r\n=8\r\ntxt:a\r\nb\r\n*0\r\n");
}

TEST(RespReply, NeverLetsTextBreakTheFramingOrReachATerminal) {
  const std::string_view evil("ERR x\r\n+OK\r\n\0\x1by", 15);
  const auto out = written(Version::resp2, [&](ReplyWriter& w) {
    w.error(evil);
    w.simple(evil);
  });
  EXPECT_EQ(out, "-ERR x  +OK    y\r\n+ERR x  +OK    y\r\n");
}

TEST(RespReply, WritesNumbersSoThatTheyReadBackExactly) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (const double value : {0.0, 0.1, -1.5, 1e300, 5e-324, 3.0, infinity, -infinity}) {
    const auto seen = read(written(Version::resp3, [&](ReplyWriter& w) { w.number(value); }));
    ASSERT_EQ(seen.replies.size(), 1u);
    EXPECT_EQ(seen.replies[0].number, value);
  }
  EXPECT_EQ(written(Version::resp3, [](ReplyWriter& w) { w.number(NAN); }), ",nan\r\n");
  EXPECT_EQ(written(Version::resp2, [](ReplyWriter& w) { w.number(-INFINITY); }), "$4\r\n-inf\r\n");
}

TEST(RespReply, IsReadBackAsItWasWritten) {
  using enum ReplyType;
  const auto seen = read(written(Version::resp3, everything));
  EXPECT_EQ(seen.error, "");
  Reply tenth = text_reply(number, "");
  tenth.number = 0.1;
  const std::vector<Reply> expected{
      items_reply(map, {text_reply(simple, "server"), text_reply(bulk, "penstock"),
                        text_reply(bulk, "proto"), integer_reply(-3)}),
      text_reply(simple, "OK"),
      text_reply(error, "ERR no such thing"),
      items_reply(array, {Reply{}, Reply{}, items_reply(set, {integer_reply(1, boolean)})}),
      items_reply(push, {tenth, text_reply(verbatim, "a\r\nb")}),
      items_reply(array, {})};
  EXPECT_EQ(seen.replies, expected);
}

TEST(RespReply, DropsAttributesAndKeepsWhatTheyDescribe) {
  const auto seen =
      read("*2\r\n|1\r\n+ttl\r\n*1\r\n:3\r\n:1\r\n|0\r\n:2\r\n|1\r\n+a\r\n+b\r\n+c\r\n");
  EXPECT_EQ(seen.error, "");
  EXPECT_EQ(seen.replies,
            (std::vector<Reply>{items_reply(ReplyType::array, {integer_reply(1), integer_reply(2)}),
                                text_reply(ReplyType::simple, "c")}));
}

TEST(RespReply, IsReadTheSameHoweverItIsCut) {
  const std::string inputs[] = {
      written(Version::resp2, everything),
      written(Version::resp3, everything),
      "|1\r\n+a\r\n%1\r\n+k\r\n(123456789012345678901234567890\r\n!3\r\nERR\r\n",
      "*2\r\n:1\r\n:x\r\n",
      "$3\r\nabcde",
      "*1\r\n+a\n"};
  for (const auto& input : inputs) {
    const auto whole = read(input);
    for (std::size_t cut = 0; cut <= input.size(); ++cut) {
      Connection connection;
      connection.receive(std::string_view(input).substr(0, cut));
      connection.receive(std::string_view(input).substr(cut));
      EXPECT_EQ(connection.seen(), whole) << quoted(input) << " cut at " << cut;
    }
    Connection connection;
    for (const char c : input) connection.receive({&c, 1});
    EXPECT_EQ(connection.seen(), whole) << quoted(input);
  }
}

TEST(RespReply, RefusesWhatBreaksTheProtocol) {
  for (const std::string_view bad : {"x\r\n",
                                     "\r\n",
                                     ":\r\n",
                                     ":1x\r\n",
                                     ":99999999999999999999\r\n",
                                     "#x\r\n",
                                     "_x\r\n",
                                     ",1.2.3\r\n",
                                     "(12a\r\n",
                                     "$-2\r\n",
                                     "$x\r\n",
                                     "$?\r\n",
                                     "*-2\r\n",
                                     "*?\r\n",
                                     "%-1\r\n",
                                     "+ok\n",
                                     "$1\r\nabc\r\n",
                                     "=3\r\nabc\r\n",
                                     "=5\r\nabcde\r\n",
                                     "$99999999999\r\n",
                                     "*99999999999\r\n"}) {
    EXPECT_TRUE(read(bad).error.starts_with("Protocol error: ")) << quoted(bad);
  }
}

TEST(RespReply, IsBoundedInDepthAndCount) {
  std::string deep;
  for (int i = 0; i < 17; ++i) deep += "*1\r\n";
  EXPECT_NE(read(deep + ":1\r\n").error.find("too deep"), std::string::npos);
  EXPECT_EQ(read(deep.substr(4) + ":1\r\n").replies.size(), 1u);
  EXPECT_NE(read("*3\r\n:1\r\n:2\r\n:3\r\n", {.max_values = 3}).error, "");
  EXPECT_EQ(read("*2\r\n:1\r\n:2\r\n:3\r\n", {.max_values = 3}).replies.size(), 2u);
  EXPECT_NE(read(std::string(70'000, '+')).error.find("too long"), std::string::npos);
}

}  // namespace
}  // namespace penstock::wire::resp
