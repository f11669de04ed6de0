#include "wire/amqp/frame.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/text.h"
#include "wire/amqp/content.h"
#include "wire/amqp/frame_writer.h"
#include "wire/amqp/method.h"

namespace penstock::wire::amqp {
namespace {

using Status = ReadFrame::Status;
using namespace std::string_view_literals;

struct Seen {
  std::vector<std::string> frames;  // type, channel and payload
  std::string error;
  bool operator==(const Seen&) const = default;
};

// Reads as a gateway's connection does: what was not consumed stays at the buffer's front.
class Connection {
 public:
  explicit Connection(std::size_t frame_max) : frame_max_(frame_max) {}
  void receive(std::string_view piece) {
    if (!seen_.error.empty()) return;
    buffer_ = std::string(buffer_).append(piece);
    for (;;) {
      const auto read = read_frame(as_bytes(buffer_), frame_max_);
      if (read.status == Status::error) seen_.error = read.text;
      if (read.status != Status::frame) return;
      seen_.frames.push_back(std::to_string(static_cast<int>(read.frame.type)) + ' ' +
                             std::to_string(read.frame.channel) + ' ' +
                             hex_encode(read.frame.payload));
      buffer_ = buffer_.substr(read.consumed);
    }
  }
  const Seen& seen() const { return seen_; }

 private:
  std::size_t frame_max_;
  std::string buffer_;
  Seen seen_;
};

Seen read_all(std::string_view input, std::size_t frame_max) {
  Connection connection(frame_max);
  connection.receive(input);
  return connection.seen();
}

std::string framed(FrameType type, std::uint16_t channel, std::string_view payload) {
  std::string out;
  {
    const FrameWriter frame(out, type, channel);
    out.append(payload);
  }
  return out;
}

TEST(AmqpFrame, IsReadWithItsTypeChannelAndPayload) {
  const auto input = "\x03\x01\x02\x00\x00\x00\x05hello\xce rest"sv;
  const auto read = read_frame(as_bytes(input), kFrameBytesMin);
  ASSERT_EQ(read.status, Status::frame);
  EXPECT_EQ(read.consumed, 13u);
  EXPECT_EQ(read.frame.type, FrameType::body);
  EXPECT_EQ(read.frame.channel, 258);
  EXPECT_EQ(as_text(read.frame.payload), "hello");
}

TEST(AmqpFrame, IsWrittenAsTheSpecificationDrawsIt) {
  EXPECT_EQ(framed(FrameType::method, 1, "ab"), "\x01\x00\x01\x00\x00\x00\x02\x61\x62\xce"sv);
  std::string heartbeat;
  write_heartbeat(heartbeat);
  EXPECT_EQ(heartbeat, "\x08\x00\x00\x00\x00\x00\x00\xce"sv);
}

TEST(AmqpFrame, OfAnyTypeIsReadBack) {
  for (const auto type :
       {FrameType::method, FrameType::header, FrameType::body, FrameType::heartbeat}) {
    for (const std::size_t size : {0u, 1u, 4088u}) {
      const auto input = framed(type, 65'535, std::string(size, '\xce'));
      const auto read = read_frame(as_bytes(input), kFrameBytesMin);
      ASSERT_EQ(read.status, Status::frame);
      EXPECT_EQ(read.consumed, input.size());
      EXPECT_EQ(read.frame.type, type);
      EXPECT_EQ(read.frame.channel, 65'535);
      EXPECT_EQ(read.frame.payload.size(), size);
    }
  }
}

TEST(AmqpFrame, IsReadTheSameHoweverItIsCut) {
  const auto good = framed(FrameType::method, 1, "\x00\x3c\x00\x50"sv) +
                    framed(FrameType::body, 2, "x") + framed(FrameType::heartbeat, 0, "");
  auto bad_end = good + framed(FrameType::body, 3, "abc");
  bad_end.back() = '\0';
  const std::string inputs[] = {good, bad_end, good + std::string(kProtocolHeader),
                                good + framed(FrameType::body, 1, std::string(30, 'x'))};
  for (const auto& input : inputs) {
    const auto whole = read_all(input, 32);
    EXPECT_EQ(whole.frames.size(), 3u);
    EXPECT_EQ(whole.error.empty(), &input == &inputs[0]);
    for (std::size_t cut = 0; cut <= input.size(); ++cut) {
      Connection connection(32);
      connection.receive(std::string_view(input).substr(0, cut));
      connection.receive(std::string_view(input).substr(cut));
      EXPECT_EQ(connection.seen(), whole) << "cut at " << cut;
    }
    Connection connection(32);
    for (const char c : input) connection.receive({&c, 1});
    EXPECT_EQ(connection.seen(), whole);
  }
}

TEST(AmqpFrame, ThatIsTooLargeIsRefusedByItsHead) {
  const auto exact = framed(FrameType::body, 1, std::string(kFrameBytesMin - 8, 'x'));
  EXPECT_EQ(read_frame(as_bytes(exact), kFrameBytesMin).status, Status::frame);
  const auto larger = framed(FrameType::body, 1, std::string(kFrameBytesMin - 7, 'x'));
  EXPECT_EQ(read_frame(as_bytes(larger).first(6), kFrameBytesMin).status, Status::need_more);
  const auto read = read_frame(as_bytes(larger).first(7), kFrameBytesMin);
  EXPECT_EQ(read.status, Status::error);
  EXPECT_EQ(read.code, ReplyCode::frame_error);
  EXPECT_EQ(read.text, "a frame of 4097 bytes, at most 4096 were negotiated");
  EXPECT_EQ(read.consumed, 0u);
}

TEST(AmqpFrame, HasNoLimitWhereNoneWasNegotiated) {
  const auto head = "\x03\x00\x01\xff\xff\xff\xff"sv;
  EXPECT_EQ(read_frame(as_bytes(head), 0).status, Status::need_more);
  EXPECT_EQ(read_frame(as_bytes(head), 0xffff'ffff).status, Status::error);
}

TEST(AmqpFrame, OfAnUnknownTypeIsRefused) {
  for (const int type : {0, 4, 5, 7, 9, 65, 255}) {
    auto input = framed(FrameType::method, 0, "abcd");
    input[0] = static_cast<char>(type);
    const auto read = read_frame(as_bytes(input), kFrameBytesMin);
    EXPECT_EQ(read.status, Status::error) << type;
    EXPECT_EQ(read.code, ReplyCode::frame_error);
    EXPECT_EQ(read.text, "there is no frame type " + std::to_string(type));
  }
}

TEST(AmqpFrame, ThatDoesNotEndInItsEndOctetIsRefused) {
  auto input = framed(FrameType::body, 1, "abcd");
  input.back() = '\xcd';
  const auto read = read_frame(as_bytes(input), kFrameBytesMin);
  EXPECT_EQ(read.status, Status::error);
  EXPECT_EQ(read.code, ReplyCode::frame_error);
  EXPECT_EQ(read.text, "a frame of type 3 with 4 bytes of payload does not end in 0xCE");
}

TEST(AmqpProtocolHeader, IsToldFromAnythingElseByItsFirstOctetThatDiffers) {
  for (std::size_t size = 0; size < 8; ++size) {
    EXPECT_EQ(check_protocol_header(as_bytes(kProtocolHeader.substr(0, size))),
              HeaderCheck::need_more);
    std::string other(kProtocolHeader.substr(0, size + 1));
    other.back() ^= 1;
    EXPECT_EQ(check_protocol_header(as_bytes(other)), HeaderCheck::other);
  }
  EXPECT_EQ(check_protocol_header(as_bytes(kProtocolHeader)), HeaderCheck::ok);
  EXPECT_EQ(check_protocol_header(as_bytes("AMQP\0\0\x09\x01\x01"sv)), HeaderCheck::ok);
  EXPECT_EQ(check_protocol_header(as_bytes("AMQP\0\x01\0\0"sv)), HeaderCheck::other);      // 1.0
  EXPECT_EQ(check_protocol_header(as_bytes("AMQP\x01\x01\x08\0"sv)), HeaderCheck::other);  // 0-8
}

TEST(AmqpContent, IsAHeaderAndBodyFramesOfTheSizeNegotiated) {
  Properties properties;
  properties.content_type = "text/plain";
  std::string raw;
  encode_properties(raw, properties);
  for (const std::size_t size : {0u, 1u, 91u, 92u, 93u, 184u, 185u, 1000u}) {
    std::string body;
    for (std::size_t i = 0; i < size; ++i) body.push_back(static_cast<char>('a' + i % 26));
    std::string out;
    write_content_header(out, 7, body.size(), as_bytes(raw));
    write_body(out, 7, as_bytes(body), 100);
    EXPECT_EQ(out.size(), content_bytes(raw.size(), size, 100)) << size;

    auto rest = as_bytes(out);
    auto read = read_frame(rest, 100);
    ASSERT_EQ(read.status, Status::frame);
    EXPECT_EQ(read.frame.type, FrameType::header);
    const auto header = decode_content_header(read.frame.payload);
    ASSERT_TRUE(header.has_value());
    EXPECT_EQ(header->body_bytes, size);
    EXPECT_EQ(header->properties, properties);
    EXPECT_EQ(as_text(header->raw), raw);
    std::string received;
    for (rest = rest.subspan(read.consumed); !rest.empty(); rest = rest.subspan(read.consumed)) {
      read = read_frame(rest, 100);
      ASSERT_EQ(read.status, Status::frame);
      EXPECT_EQ(read.frame.type, FrameType::body);
      EXPECT_EQ(read.frame.channel, 7);
      EXPECT_FALSE(read.frame.payload.empty());
      received.append(as_text(read.frame.payload));
    }
    EXPECT_EQ(received, body);
  }
}

TEST(AmqpContent, GoesInOneFrameWhereThereIsNoLimit) {
  const std::string body(1'000'000, 'x');
  std::string out;
  write_body(out, 1, as_bytes(body), 0);
  EXPECT_EQ(out.size(), body.size() + kFrameOverheadBytes);
  EXPECT_EQ(content_bytes(2, body.size(), 0), out.size() + 14 + kFrameOverheadBytes);
}

TEST(AmqpContent, HasTheSameHeaderFromPropertiesAsFromTheirBytes) {
  Properties properties;
  properties.delivery_mode = 2;
  properties.correlation_id = "c";
  std::string raw;
  encode_properties(raw, properties);
  std::string from_raw;
  std::string from_properties;
  write_content_header(from_raw, 1, 5, as_bytes(raw));
  write_content_header(from_properties, 1, 5, properties);
  EXPECT_EQ(from_raw, from_properties);
  EXPECT_EQ(hex_encode(as_bytes(from_raw)),
            "020001"
            "00000011"
            "003c"
            "0000"
            "0000000000000005"
            "1400"
            "02"
            "0163"
            "ce");
}

TEST(AmqpReplyCode, SaysWhatItClosesAndItsName) {
  for (const auto soft : {200, 311, 312, 313, 403, 404, 405, 406}) {
    EXPECT_FALSE(is_connection_error(static_cast<ReplyCode>(soft))) << soft;
    EXPECT_FALSE(name_of(static_cast<ReplyCode>(soft)).empty()) << soft;
  }
  for (const auto hard : {320, 402, 501, 502, 503, 504, 505, 506, 530, 540, 541}) {
    EXPECT_TRUE(is_connection_error(static_cast<ReplyCode>(hard))) << hard;
    EXPECT_FALSE(name_of(static_cast<ReplyCode>(hard)).empty()) << hard;
  }
  EXPECT_EQ(name_of(ReplyCode::precondition_failed), "PRECONDITION_FAILED");
  EXPECT_EQ(name_of(static_cast<ReplyCode>(999)), "");
}

TEST(AmqpReplyCode, HasATextThatFitsAShortString) {
  EXPECT_EQ(reply_text(ReplyCode::not_found, "no queue 'x' in vhost '/'"),
            "NOT_FOUND - no queue 'x' in vhost '/'");
  EXPECT_EQ(reply_text(ReplyCode::success, ""), "SUCCESS");
  EXPECT_EQ(reply_text(ReplyCode::not_found, "no queue 'a\r\nb\x7f'"),
            "NOT_FOUND - no queue 'a??b?'");
  EXPECT_EQ(reply_text(ReplyCode::not_found, "no queue 'direc\xdd'"),
            "NOT_FOUND - no queue 'direc?'");
  std::string long_name;
  for (int i = 0; i < 200; ++i) long_name += "é";
  for (std::size_t shift = 0; shift < 4; ++shift) {
    const auto text = reply_text(ReplyCode::not_found, std::string(shift, 'x') + long_name);
    EXPECT_LE(text.size(), 255u);
    EXPECT_GE(text.size(), 254u);
    EXPECT_TRUE(text.ends_with("..."));
    EXPECT_TRUE(is_valid_utf8(text));
  }
}

}  // namespace
}  // namespace penstock::wire::amqp
