#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/text.h"
#include "wire/resp/command_parser.h"
#include "wire/resp/reply_writer.h"

namespace penstock::wire::resp {
namespace {

using Args = std::vector<std::string>;

struct Seen {
  std::vector<Args> commands;
  std::string error;
  std::size_t left = 0;  // bytes neither consumed nor refused
  bool operator==(const Seen&) const = default;
};

// What a connection does: keep what was not consumed, add what arrives. Every call gets a buffer at
// another address, so a view kept too long would be found.
class Connection {
 public:
  explicit Connection(const Limits& limits = {}) : parser_(limits) {}

  void receive(std::string_view piece) {
    if (!seen_.error.empty()) return;
    buffer_ = std::string(buffer_).append(piece);
    for (;;) {
      const auto outcome = parser_.parse(as_bytes(buffer_));
      if (outcome.status == CommandStatus::command) {
        seen_.commands.emplace_back(parser_.args().begin(), parser_.args().end());
      }
      buffer_ = buffer_.substr(outcome.consumed);
      if (outcome.status == CommandStatus::error) seen_.error = parser_.error();
      if (outcome.status != CommandStatus::command) break;
    }
    seen_.left = seen_.error.empty() ? buffer_.size() : 0;
  }
  const Seen& seen() const { return seen_; }
  CommandParser& parser() { return parser_; }

 private:
  CommandParser parser_;
  std::string buffer_;
  Seen seen_;
};

Seen read(std::string_view input, const Limits& limits = {}) {
  Connection connection(limits);
  connection.receive(input);
  return connection.seen();
}

const std::vector<std::string>& corpus() {
  static const std::vector<std::string> inputs{
      "*1\r\n$4\r\nPING\r\n",
      "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
      "*0\r\n*-1\r\n\r\n\n*1\r\n$4\r\nQUIT\r\n",
      "PING\r\nSET a b\nGET a\r\n",
      "set \"a b\" 'it\\'s' \"\\x41\\n\\q\"\r\n",
      "  LPUSH\t q   x \r\n*1\r\n$1\r\nA\r\n",
      "*2\r\n$4\r\nECHO\r\n$6\r\na\r\n$1\r\r\n",
      "*1\r\n$4\r\nPING\r\n*x\r\n",
      "*1\r\n$-1\r\n",
      "*1\r\n:4\r\nPING\r\n",
      "*1\r\n$4\r\nPINGxx*1\r\n",
      "*1\r\n$4\r\nPING\rx",
      "PING\r\nGET / HTTP/1.1\r\nHost: a\r\n",
      "POST / HTTP/1.1\r\n",
      "set \"a\r\n",
      "*99999999999999999999\r\n",
      "*1\n$4\nPING\n",
      "*2\r\n$4\r\nPI",
      "*2\r\n$4",
      "\r\n\r\n*",
      std::string("*2\r\n$3\r\nGET\r\n$3\r\n\0\xff\n\r\n", 23),
  };
  return inputs;
}

TEST(RespCommand, ReadsArraysOfBulkStrings) {
  const auto seen = read("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\nbc\r\n*1\r\n$4\r\nPING\r\n");
  EXPECT_EQ(seen.commands, (std::vector<Args>{{"SET", "k", "a\r\nbc"}, {"PING"}}));
  EXPECT_EQ(seen.error, "");
  EXPECT_EQ(seen.left, 0u);
}

TEST(RespCommand, ReadsInlineCommandsWithQuotesAsRedisDoes) {
  EXPECT_EQ(read("PING\r\n").commands, (std::vector<Args>{{"PING"}}));
  EXPECT_EQ(read("get  a\tb\n").commands, (std::vector<Args>{{"get", "a", "b"}}));
  EXPECT_EQ(read("set \"a b\" 'c\\'d\\n' \"\\x41\\x0a\\n\\q\\\"\"\r\n").commands,
            (std::vector<Args>{{"set", "a b", "c'd\\n", "A\n\nq\""}}));
  EXPECT_EQ(read("set a \"\"\r\n").commands, (std::vector<Args>{{"set", "a", ""}}));
  EXPECT_EQ(read("GET key\r\n").commands, (std::vector<Args>{{"GET", "key"}}));
}

TEST(RespCommand, IgnoresEmptyLinesAndEmptyArrays) {
  EXPECT_EQ(read("\r\n\n  \r\n*0\r\n*-1\r\nPING\r\n").commands, (std::vector<Args>{{"PING"}}));
}

TEST(RespCommand, RefusesWhatBreaksTheProtocol) {
  const std::pair<std::string, std::string_view> cases[] = {
      {"*x\r\n", "invalid multibulk length"},
      {"*\r\n", "invalid multibulk length"},
      {"*+1\r\n", "invalid multibulk length"},
      {"*-2\r\n", "invalid multibulk length"},
      {"*01\r\n", "invalid multibulk length"},
      {"* 1\r\n", "invalid multibulk length"},
      {"*1 \r\n", "invalid multibulk length"},
      {"*1\n", "invalid multibulk length"},
      {"*1\rx", "invalid multibulk length"},
      {"*1048577\r\n", "invalid multibulk length"},
      {"*9223372036854775808\r\n", "invalid multibulk length"},
      {"*18446744073709551617\r\n", "invalid multibulk length"},
      {"*1\r\n$x\r\n", "invalid bulk length"},
      {"*1\r\n$-1\r\n", "invalid bulk length"},
      {"*1\r\n$-0\r\n\r\n", "invalid bulk length"},
      {"*1\r\n$99999999999999999999999\r\n", "invalid bulk length"},
      {"*1\r\n$536870912\r\n", "invalid bulk length"},
      {"*1\r\nPING\r\n", "expected '$', got \"P\""},
      {"*1\r\n\r\n", "expected '$', got \"\\x0d\""},
      {"*1\r\n$4\r\nPINGPING", "expected CRLF"},
      {"*1\r\n$4\r\nPING\n\n", "expected CRLF"},
      {"set \"a\r\n", "unbalanced quotes"},
      {"set 'a\r\n", "unbalanced quotes"},
      {"set \"a\"b\r\n", "unbalanced quotes"},
      {"set a\"b\"\r\n", "unbalanced quotes"},
      {"POST / HTTP/1.1\r\n", "HTTP"},
      {"post x\r\n", "HTTP"},
      {"Host: localhost\r\n", "HTTP"},
      {"GET / HTTP/1.1\r\n", "HTTP"},
      {"DELETE /x HTTP/1.0\r\n", "HTTP"},
      {std::string(65 * 1024, 'x'), "too big inline request"},
      {std::string(65 * 1024, 'x') + "\r\n", "too big inline request"},
  };
  for (const auto& [input, text] : cases) {
    const auto seen = read(input);
    EXPECT_TRUE(seen.error.starts_with("Protocol error: ")) << quoted(input);
    EXPECT_NE(seen.error.find(text), std::string::npos) << quoted(input) << " gave " << seen.error;
    EXPECT_EQ(seen.error.find_first_of(std::string_view("\r\n\0", 3)), std::string::npos);
    EXPECT_TRUE(seen.commands.empty()) << quoted(input);
  }
}

TEST(RespCommand, StaysRefusedAfterAnError) {
  CommandParser parser;
  EXPECT_EQ(parser.parse(as_bytes("*x\r\n")).status, CommandStatus::error);
  EXPECT_EQ(parser.parse(as_bytes("*1\r\n$4\r\nPING\r\n")).status, CommandStatus::error);
}

TEST(RespCommand, IsReadTheSameHoweverItIsCut) {
  for (const auto& input : corpus()) {
    const auto whole = read(input);
    for (std::size_t cut = 0; cut <= input.size(); ++cut) {
      Connection connection;
      connection.receive(std::string_view(input).substr(0, cut));
      connection.receive(std::string_view(input).substr(cut));
      EXPECT_EQ(connection.seen(), whole) << quoted(input) << " cut at " << cut;
    }
    Connection connection;
    for (const char c : input) connection.receive({&c, 1});
    EXPECT_EQ(connection.seen(), whole) << quoted(input) << " byte by byte";
  }
}

// A byte changed anywhere: whatever the verdict, it must not depend on the cut, and nothing may
// break.
TEST(RespCommand, IsReadTheSameHoweverItIsCutWithAnyByteChanged) {
  for (const auto& input : corpus()) {
    for (std::size_t at = 0; at < input.size(); ++at) {
      for (const char c : {'\0', '\r', '\n', '*', '$', '-', '0', '9', '"', '\xff'}) {
        auto changed = input;
        changed[at] = c;
        Connection connection;
        for (const char byte : changed) connection.receive({&byte, 1});
        EXPECT_EQ(connection.seen(), read(changed)) << quoted(changed);
      }
    }
  }
}

TEST(RespCommand, HoldsStrangersToSmallLimits) {
  const auto limits = Limits::before_login();
  EXPECT_EQ(read("*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n", limits).commands.size(), 1u);
  EXPECT_NE(read("*17\r\n", limits).error, "");
  EXPECT_NE(read("*1\r\n$16385\r\n", limits).error, "");
  EXPECT_NE(read("a b c d e f g h i j k l m n o p q\r\n", limits).error, "");
  std::string wide = "*16\r\n";
  for (int i = 0; i < 16; ++i) wide += "$16384\r\n" + std::string(16384, 'x') + "\r\n";
  EXPECT_NE(read(wide, limits).error.find("larger than 65536"), std::string::npos);
}

TEST(RespCommand, AppliesNewLimitsToTheNextCommand) {
  Connection connection(Limits::before_login());
  connection.receive("PING\r\n");
  connection.parser().set_limits({});
  connection.receive("*2\r\n$4\r\nECHO\r\n$20000\r\n" + std::string(20000, 'x') + "\r\n");
  EXPECT_EQ(connection.seen().commands.size(), 2u);
}

TEST(RespCommand, SaysHowMuchItWaitsForWithoutTakingMemoryForIt) {
  CommandParser parser(
      {.max_args = 1'048'576, .max_bulk_bytes = 1u << 30, .max_command_bytes = 1u << 30});
  const std::string head = "*1000000\r\n$536870912\r\n0123456789";
  EXPECT_EQ(parser.parse(as_bytes(head)).status, CommandStatus::need_more);
  EXPECT_EQ(parser.wanted(), std::string_view("*1000000\r\n$536870912\r\n").size() + 536870912 + 2);
  EXPECT_TRUE(parser.args().empty());
}

TEST(RespCommand, ReadsItsOwnWriter) {
  const Args args{"LPUSH", "", std::string("\0\r\n$1", 5), std::string(100'000, 'z')};
  std::string out;
  write_command(out, args);
  EXPECT_EQ(read(out).commands, (std::vector<Args>{args}));
}

// 1.4 million pieces take a moment when each byte is looked at once; were the arguments before read
// anew for each, the test would run into its time limit.
TEST(RespCommand, TakesTimeInProportionToTheBytes) {
  std::string input = "*200000\r\n";
  for (int i = 0; i < 200'000; ++i) input += "$1\r\nx\r\n";
  CommandParser parser;
  std::size_t have = 0;
  while (have < input.size()) {
    ++have;
    if (parser.parse(as_bytes(input).first(have)).status != CommandStatus::need_more) break;
  }
  EXPECT_EQ(have, input.size());
  EXPECT_EQ(parser.args().size(), 200'000u);
}

}  // namespace
}  // namespace penstock::wire::resp
