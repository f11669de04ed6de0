// AMQP 0-9-1: frames, and in them methods and content headers.
#include <string>

#include "base/check.h"
#include "fuzz/support/fuzz.h"
#include "fuzz/support/meter.h"
#include "wire/amqp/content.h"
#include "wire/amqp/frame.h"
#include "wire/amqp/method.h"

namespace penstock::fuzz {
namespace {

using wire::amqp::Failure;
using wire::amqp::Frame;
using wire::amqp::FrameType;
using wire::amqp::ReadFrame;
using wire::amqp::ReplyCode;

// How the decoder saw one frame; its work is linear, and what is good costs no memory.
template <class Decode>
auto measured(ByteView payload, Decode decode) {
  const Meter meter;
  auto decoded = decode(payload);
  Work work;
  work.add(meter);
  work.check(payload.size(), 64, 4096);
  if (decoded) CHECK(meter.allocated_bytes() == 0);
  return decoded;
}

void digest_failure(Digest& digest, const Failure& failure) {
  CHECK(is_connection_error(failure.code));
  check_line(failure.text);
  digest.add(static_cast<std::uint64_t>(failure.code)).add(failure.text);
  digest.add(failure.method.class_id).add(failure.method.method_id);
}

void check_method(Digest& digest, const Frame& frame) {
  const auto method = measured(frame.payload, wire::amqp::decode_method);
  if (!method) return digest_failure(digest, method.error());
  std::string out;
  encode_method(out, frame.channel, *method);
  const auto read = wire::amqp::read_frame(as_bytes(out), 0);
  CHECK(read.status == ReadFrame::Status::frame && read.consumed == out.size());
  CHECK(read.frame.channel == frame.channel);
  CHECK(read.frame.payload.size() == frame.payload.size());
  const auto again = wire::amqp::decode_method(read.frame.payload);
  CHECK(again && *again == *method);
  digest.add(out);
}

void check_header(Digest& digest, const Frame& frame) {
  const auto header = measured(frame.payload, wire::amqp::decode_content_header);
  if (!header) return digest_failure(digest, header.error());
  std::string out;
  write_content_header(out, frame.channel, header->body_bytes, header->properties);
  const auto read = wire::amqp::read_frame(as_bytes(out), 0);
  CHECK(read.status == ReadFrame::Status::frame && read.consumed == out.size());
  CHECK(as_text(read.frame.payload) == as_text(frame.payload));
  digest.add(out);
}

void check_frame(Digest& digest, const Frame& frame) {
  digest.add(static_cast<std::uint64_t>(frame.type)).add(frame.channel);
  switch (frame.type) {
    case FrameType::method:
      return check_method(digest, frame);
    case FrameType::header:
      return check_header(digest, frame);
    case FrameType::body:
    case FrameType::heartbeat:
      digest.add(as_text(frame.payload));
  }
}

// Feeds the input as a gateway does: what is not consumed stays at the front of the buffer.
Digest run(ByteView input, std::size_t frame_max, Cuts* cuts) {
  Digest digest;
  Bytes held;
  held.reserve(input.size());
  std::size_t received = 0;
  Work work;
  while (received < input.size()) {
    const auto size = cuts == nullptr ? input.size() : cuts->next(input.size() - received);
    append(held, input.subspan(received, size));
    received += size;
    std::size_t begin = 0;
    for (;;) {
      const auto rest = ByteView(held).subspan(begin);
      const Meter call;
      const auto read = wire::amqp::read_frame(rest, frame_max);
      work.add(call);
      call.check_memory(0, 0, 1024);
      if (read.status == ReadFrame::Status::error) {
        CHECK(read.code == ReplyCode::frame_error && read.consumed == 0);
        check_line(read.text);
        return digest.add(read.text);
      }
      if (read.status == ReadFrame::Status::need_more) break;
      CHECK(read.consumed == read.frame.payload.size() + wire::amqp::kFrameOverheadBytes);
      CHECK(read.consumed <= rest.size() && (frame_max == 0 || read.consumed <= frame_max));
      check_frame(digest, read.frame);
      begin += read.consumed;
    }
    held.erase(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(begin));
  }
  work.check(0, 0, 512);  // whatever the payload
  return digest;
}

void check_body_round_trip(ByteView body, std::size_t frame_max) {
  std::string out;
  wire::amqp::write_body(out, 1, body, frame_max);
  std::string joined;
  for (auto rest = as_bytes(out); !rest.empty();) {
    const auto read = wire::amqp::read_frame(rest, frame_max);
    CHECK(read.status == ReadFrame::Status::frame && !read.frame.payload.empty());
    joined.append(as_text(read.frame.payload));
    rest = rest.subspan(read.consumed);
  }
  CHECK(joined == as_text(body));
}

}  // namespace

void fuzz_one(ByteView input) {
  for (const std::size_t frame_max : {std::size_t{0}, std::size_t{64}, std::size_t{4096}}) {
    const auto whole = run(input, frame_max, nullptr);
    for (std::uint64_t salt = 0; salt < 2; ++salt) {
      Cuts cuts(input, salt);
      CHECK(run(input, frame_max, &cuts) == whole);
    }
    check_body_round_trip(input, frame_max);
  }
}

}  // namespace penstock::fuzz
