// A message's content behind the method that announces it (publish, deliver, return, get-ok): one
// header frame, and the body in as many frames as it takes.
//
//   encode_method(out, channel, deliver);
//   write_content_header(out, channel, body.size(), properties);  // as they came
//   write_body(out, channel, body, frame_max);
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "wire/amqp/properties.h"

namespace penstock::wire::amqp {

// `raw_properties` are flags and properties as on the wire (ContentHeader::raw, encode_properties).
void write_content_header(std::string& out, std::uint16_t channel, std::uint64_t body_bytes,
                          ByteView raw_properties);
void write_content_header(std::string& out, std::uint16_t channel, std::uint64_t body_bytes,
                          const Properties& properties);
// In frames of at most `frame_max` bytes as negotiated, 0 being no limit; none for an empty body. A
// body may also be written in pieces, one call for each.
void write_body(std::string& out, std::uint16_t channel, ByteView body, std::size_t frame_max);

// What header and body frames take, to reserve it beforehand.
[[nodiscard]] std::uint64_t content_bytes(std::uint64_t raw_property_bytes,
                                          std::uint64_t body_bytes, std::size_t frame_max);

}  // namespace penstock::wire::amqp
