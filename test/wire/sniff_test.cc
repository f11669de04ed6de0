#include "wire/sniff.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace penstock::wire {
namespace {

TEST(Sniff, TellsTheProtocolFromTheFirstBytes) {
  const std::pair<std::string_view, Protocol> cases[] = {
      {"GET / HTTP/1.1\r\n", Protocol::http},
      {"POST /v1/queues HTTP/1.1\r\n", Protocol::http},
      {"OPTIONS * HTTP/1.1\r\n", Protocol::http},
      {"GET http://localhost/ HTTP/1.1\r\n", Protocol::http},
      {"TRACE / HTTP/1.1\r\n", Protocol::http},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Protocol::http},
      {"*1\r\n$4\r\nPING\r\n", Protocol::resp},
      {"PING\r\n", Protocol::resp},
      {"PING\n", Protocol::resp},
      {"get / \r\n", Protocol::resp},
      {"GET key\r\n", Protocol::resp},
      {"GET\r\n", Protocol::resp},
      {"LPUSH q x\r\n", Protocol::resp},
      {"JSON.GET a\r\n", Protocol::resp},
      {std::string_view("AMQP\x00\x00\x09\x01", 8), Protocol::amqp},
      {"AMQP\x01", Protocol::amqp},
      {"\x16\x03\x01\x02", Protocol::tls},
      {"\x16\x04", Protocol::unknown},
      {"{\"a\":1}", Protocol::unknown},
      {"\r\n", Protocol::unknown},
      {std::string_view("\0\0\0\x12", 4), Protocol::unknown},
      {"PING:x", Protocol::unknown},
      {"\xff\xfe", Protocol::unknown},
      {"abcdefghijklmnopqrstuvwxyzabcdefgh", Protocol::unknown},
      {"", Protocol::need_more},
      {"AMQ", Protocol::need_more},
      {"GET ", Protocol::need_more},
      {"GET htt", Protocol::need_more},
      {"PIN", Protocol::need_more},
      {"\x16", Protocol::need_more},
  };
  for (const auto& [bytes, protocol] : cases) {
    EXPECT_EQ(sniff(as_bytes(bytes)), protocol) << quoted(bytes);
  }
}

TEST(Sniff, NeverChangesItsMind) {
  for (const std::string_view input : {"GET / HTTP/1.1\r\n", "GET htx\r\n", "PING\r\n", "*1\r\n",
                                       "AMQP0091", "AMQX\r\n", "\x16\x03\x01", "{}"}) {
    const auto final_answer = sniff(as_bytes(input));
    ASSERT_NE(final_answer, Protocol::need_more) << input;
    for (std::size_t size = 0; size <= input.size(); ++size) {
      const auto answer = sniff(as_bytes(input).first(size));
      EXPECT_TRUE(answer == Protocol::need_more || answer == final_answer) << input << " " << size;
    }
  }
}

TEST(Sniff, AlwaysKnowsAfterSniffBytesMax) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string same(kSniffBytesMax, static_cast<char>(byte));
    EXPECT_NE(sniff(as_bytes(same)), Protocol::need_more) << byte;
  }
}

}  // namespace
}  // namespace penstock::wire
