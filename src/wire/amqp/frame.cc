#include "wire/amqp/frame.h"

#include "wire/amqp/octets.h"

namespace penstock::wire::amqp {
namespace {

bool is_frame_type(std::uint8_t type) {
  switch (static_cast<FrameType>(type)) {
    case FrameType::method:
    case FrameType::header:
    case FrameType::body:
    case FrameType::heartbeat:
      return true;
  }
  return false;
}

ReadFrame frame_error(std::string text) {
  ReadFrame result;
  result.status = ReadFrame::Status::error;
  result.code = ReplyCode::frame_error;
  result.text = std::move(text);
  return result;
}

}  // namespace

ReadFrame read_frame(ByteView input, std::size_t frame_max) {
  if (input.size() < kFrameHeadBytes) return {};
  Reader head(input.first(kFrameHeadBytes));
  const auto type = head.number<std::uint8_t>();
  const auto channel = head.number<std::uint16_t>();
  const std::size_t size = head.number<std::uint32_t>();
  if (!is_frame_type(type)) {
    return frame_error("there is no frame type " + std::to_string(type));
  }
  if (frame_max != 0 && size + kFrameOverheadBytes > frame_max) {
    return frame_error("a frame of " + std::to_string(size + kFrameOverheadBytes) +
                       " bytes, at most " + std::to_string(frame_max) + " were negotiated");
  }
  if (input.size() - kFrameHeadBytes <= size) return {};
  if (input[kFrameHeadBytes + size] != kFrameEnd) {
    return frame_error("a frame of type " + std::to_string(type) + " with " + std::to_string(size) +
                       " bytes of payload does not end in 0xCE");
  }
  ReadFrame result;
  result.status = ReadFrame::Status::frame;
  result.consumed = size + kFrameOverheadBytes;
  result.frame = {static_cast<FrameType>(type), channel, input.subspan(kFrameHeadBytes, size)};
  return result;
}

HeaderCheck check_protocol_header(ByteView input) {
  const auto first = as_text(input.first(std::min(input.size(), kProtocolHeader.size())));
  if (!kProtocolHeader.starts_with(first)) return HeaderCheck::other;
  return first.size() == kProtocolHeader.size() ? HeaderCheck::ok : HeaderCheck::need_more;
}

}  // namespace penstock::wire::amqp
