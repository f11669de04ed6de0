// Takes the body of a message off its framing: by length, in chunks, or up to the connection's end.
//
// Inside wire/http. Chunks are read here and not by Boost.Beast, because Beast adds trailer fields
// to the fields of the head and takes chunk extensions of any length. A chunk's size is 1 to 16
// hexadecimal digits, a line 256 bytes at most, trailers are checked and dropped. Memory: by bytes
// received. The verdict depends on the bytes, never on how they were cut.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "wire/http/message.h"

namespace penstock::wire::http {

class BodyReader {
 public:
  enum class [[nodiscard]] Status : std::uint8_t{need_more, done, failed};

  void begin_length(std::uint64_t bytes);
  void begin_chunked();
  void begin_until_close();

  // Takes from the front of `in` what belongs to the body, and appends it to `body`, which never
  // grows past `max_bytes`.
  Status feed(std::string_view& in, std::string& body, std::uint64_t max_bytes);
  // The connection has ended: done for a body that ends so, else failed.
  Status finish();
  [[nodiscard]] Failure& failure() { return failure_; }

 private:
  enum class Mode : std::uint8_t { length, chunked, until_close };
  enum class Step : std::uint8_t {
    size_first,  // the first digit of a chunk's size
    size,        // more digits, an extension, or the line's end
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer,  // a trailer field, or the empty line that ends the body
    trailer_lf,
  };

  Status by_length(std::string_view& in, std::string& body);
  Status chunks(std::string_view& in, std::string& body, std::uint64_t max_bytes);
  Status chunk_byte(char c, std::uint64_t room);
  Status size_byte(char c);
  Status after_size_line(std::uint64_t room);
  Status trailer_byte(char c);
  Status check_trailer();
  Status refuse(int status, std::string_view code, std::string message);
  Status bad_chunk(std::string message) { return refuse(400, "bad_chunk", std::move(message)); }
  Status too_large(std::uint64_t max_bytes);

  Mode mode_ = Mode::length;
  Step step_ = Step::size_first;
  std::uint64_t left_ = 0;  // of the body, or of this chunk
  std::uint32_t digits_ = 0;
  std::uint32_t line_bytes_ = 0;
  std::uint32_t trailer_bytes_ = 0;
  std::string trailer_;  // the trailer line being read
  Failure failure_;
};

}  // namespace penstock::wire::http
