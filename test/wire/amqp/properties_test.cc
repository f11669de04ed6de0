#include "wire/amqp/properties.h"

#include <gtest/gtest.h>

#include <string>

#include "base/text.h"
#include "wire/amqp/table_writer.h"

namespace penstock::wire::amqp {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

std::string encoded(const Properties& properties) {
  std::string out;
  encode_properties(out, properties);
  return out;
}

// Class basic, weight 0, a body of 5 bytes.
const std::string kHead = "\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05"s;

struct Sample {
  Sample() {
    TableWriter(table).add("x-delay", 5000).add("CC", "other");
    all = {.content_type = "text/plain",
           .content_encoding = "",
           .headers = TableView::trusted(as_bytes(table)),
           .delivery_mode = std::uint8_t{2},
           .priority = std::uint8_t{9},
           .correlation_id = "correlation",
           .reply_to = "amq.rabbitmq.reply-to",
           .expiration = "60000",
           .message_id = "m\xff",
           .timestamp = 1'700'000'000u,
           .type = "t",
           .user_id = "guest",
           .app_id = "a",
           .cluster_id = "c"};
  }
  std::string table;
  Properties all;
};

TEST(AmqpProperties, AreReadBackAsTheyWereWritten) {
  const Sample sample;
  const auto raw = encoded(sample.all);
  EXPECT_EQ(raw.substr(0, 2), "\xff\xfc");
  const auto decoded = decode_properties(as_bytes(raw));
  ASSERT_TRUE(decoded.has_value()) << decoded.error().text;
  EXPECT_EQ(*decoded, sample.all);
  EXPECT_EQ(decoded->header("x-delay"), Value(5000));
  EXPECT_EQ(decoded->header("x-other"), std::nullopt);
  EXPECT_EQ(Properties().header("x-delay"), std::nullopt);
}

TEST(AmqpProperties, EachHasAFlagOfItsOwnFromTheHighestOn) {
  const Sample sample;
  unsigned number = 0;
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    const auto check = [&](auto index) {
      constexpr auto at = decltype(index)::value;
      Properties one;
      std::get<at>(one.fields()) = std::get<at>(sample.all.fields());
      const auto raw = encoded(one);
      const auto flags =
          static_cast<unsigned char>(raw[0]) << 8 | static_cast<unsigned char>(raw[1]);
      EXPECT_EQ(flags, 0x8000 >> number++);
      EXPECT_EQ(decode_properties(as_bytes(raw)), one);
    };
    (check(std::integral_constant<std::size_t, I>{}), ...);
  }
  (std::make_index_sequence<14>());
}

TEST(AmqpProperties, HaveTheBytesOfTheSpecification) {
  Properties properties;
  properties.content_type = "a/b";
  properties.delivery_mode = 2;
  properties.timestamp = 258;
  EXPECT_EQ(hex_encode(as_bytes(encoded(properties))), "904003612f62020000000000000102");
  EXPECT_EQ(encoded({}), "\0\0"sv);
}

TEST(AmqpContentHeader, HasTheBodySizeThePropertiesAndTheirBytes) {
  const Sample sample;
  const auto raw = encoded(sample.all);
  const auto payload = kHead + raw;
  const auto header = decode_content_header(as_bytes(payload));
  ASSERT_TRUE(header.has_value()) << header.error().text;
  EXPECT_EQ(header->body_bytes, 5u);
  EXPECT_EQ(header->properties, sample.all);
  EXPECT_EQ(as_text(header->raw), raw);
}

TEST(AmqpContentHeader, CutShortIsRefused) {
  const Sample sample;
  const auto payload = kHead + encoded(sample.all);
  for (std::size_t size = 0; size < payload.size(); ++size) {
    const auto header = decode_content_header(as_bytes(payload).first(size));
    ASSERT_FALSE(header.has_value()) << size;
    EXPECT_EQ(header.error().code,
              size < kHead.size() ? ReplyCode::frame_error : ReplyCode::syntax_error);
    EXPECT_TRUE(header.error().text.starts_with("content header: ")) << header.error().text;
  }
}

TEST(AmqpContentHeader, FollowedBySomethingIsRefused) {
  const auto header = decode_content_header(as_bytes(kHead + "\0\0x"s));
  ASSERT_FALSE(header.has_value());
  EXPECT_EQ(header.error().code, ReplyCode::syntax_error);
  EXPECT_EQ(header.error().text, "content header: something follows the properties");
}

TEST(AmqpContentHeader, WithFlagsThatMeanNothingIsRefused) {
  // The lowest would announce another word of flags.
  for (const auto flags : {"\0\1"sv, "\0\2"sv, "\0\3"sv}) {
    const auto header = decode_content_header(as_bytes(kHead + std::string(flags) + "\0\0"s));
    ASSERT_FALSE(header.has_value());
    EXPECT_EQ(header.error().code, ReplyCode::syntax_error);
    EXPECT_EQ(header.error().text, "content header: a flag stands for no property");
  }
}

TEST(AmqpContentHeader, OfAnotherClassIsRefused) {
  auto payload = kHead + "\0\0"s;
  payload[1] = 50;
  const auto header = decode_content_header(as_bytes(payload));
  ASSERT_FALSE(header.has_value());
  EXPECT_EQ(header.error().code, ReplyCode::frame_error);
  EXPECT_EQ(header.error().text, "content header: class 50 carries no content");
}

TEST(AmqpContentHeader, WithAWeightIsRefused) {
  auto payload = kHead + "\0\0"s;
  payload[3] = 1;
  const auto header = decode_content_header(as_bytes(payload));
  ASSERT_FALSE(header.has_value());
  EXPECT_EQ(header.error().code, ReplyCode::syntax_error);
}

TEST(AmqpContentHeader, WithBadHeadersIsRefusedWithTheTablesReason) {
  const auto header = decode_content_header(as_bytes(kHead + "\x20\x00\x00\x00\x00\x03\x01kq"s));
  ASSERT_FALSE(header.has_value());
  EXPECT_EQ(header.error().code, ReplyCode::syntax_error);
  EXPECT_EQ(header.error().text, "content header: a table has a value of an unknown type");
}

}  // namespace
}  // namespace penstock::wire::amqp
