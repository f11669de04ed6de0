#include "wire/amqp/content.h"

#include <algorithm>

#include "wire/amqp/frame_writer.h"

namespace penstock::wire::amqp {
namespace {

constexpr std::uint64_t kHeaderHeadBytes = 12;  // class, weight, body size

std::size_t payload_max(std::size_t frame_max) {
  if (frame_max == 0) return UINT32_MAX;
  CHECK(frame_max > kFrameOverheadBytes);
  return std::min<std::size_t>(frame_max - kFrameOverheadBytes, UINT32_MAX);
}

void write_header_head(std::string& out, std::uint64_t body_bytes) {
  Writer(out).number(BasicPublish::kClass).number(std::uint16_t{0}).number(body_bytes);
}

}  // namespace

void write_content_header(std::string& out, std::uint16_t channel, std::uint64_t body_bytes,
                          ByteView raw_properties) {
  const FrameWriter frame(out, FrameType::header, channel);
  write_header_head(out, body_bytes);
  Writer(out).bytes(raw_properties);
}

void write_content_header(std::string& out, std::uint16_t channel, std::uint64_t body_bytes,
                          const Properties& properties) {
  const FrameWriter frame(out, FrameType::header, channel);
  write_header_head(out, body_bytes);
  encode_properties(out, properties);
}

void write_body(std::string& out, std::uint16_t channel, ByteView body, std::size_t frame_max) {
  const auto piece_max = payload_max(frame_max);
  while (!body.empty()) {
    const auto piece = body.first(std::min(body.size(), piece_max));
    const FrameWriter frame(out, FrameType::body, channel);
    Writer(out).bytes(piece);
    body = body.subspan(piece.size());
  }
}

std::uint64_t content_bytes(std::uint64_t raw_property_bytes, std::uint64_t body_bytes,
                            std::size_t frame_max) {
  const std::uint64_t piece_max = payload_max(frame_max);
  const auto frames = body_bytes / piece_max + (body_bytes % piece_max != 0 ? 1 : 0);
  return kFrameOverheadBytes + kHeaderHeadBytes + raw_property_bytes + body_bytes +
         frames * kFrameOverheadBytes;
}

}  // namespace penstock::wire::amqp
