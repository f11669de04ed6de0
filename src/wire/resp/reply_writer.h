// Replies of the Redis protocol, onto the end of a buffer that the caller owns, for RESP2 or RESP3.
//
// What it is: one call a value; an array or a map is its header, followed by the values themselves.
// What
//   RESP2 has no type for is written as the type that Redis falls back to.
// Threads:  one caller at a time. Lifetime: the buffer outlives the writer.
// Promise:  no text given can break the framing, or speak to a terminal: bulk strings carry their
//   length, and control characters become spaces in errors and simple strings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace penstock::wire::resp {

enum class Version : std::uint8_t { resp2 = 2, resp3 = 3 };

class ReplyWriter {
 public:
  explicit ReplyWriter(std::string& out, Version version = Version::resp2)
      : out_(out), version_(version) {}

  [[nodiscard]] Version version() const { return version_; }
  void set_version(Version version) { version_ = version; }

  void simple(std::string_view text);
  void ok() { out_.append("+OK\r\n"); }
  // `text` begins with the code that clients look at: "ERR unknown command".
  void error(std::string_view text);
  void integer(std::int64_t value);
  void bulk(std::string_view bytes);
  void null();        // RESP2: a null bulk string
  void null_array();  // RESP2: a null array, as BLPOP answers when its time is up
  void array(std::uint64_t count);
  void set(std::uint64_t count);
  // Followed by `pairs` times a key and a value. RESP2: an array of 2 * pairs.
  void map(std::uint64_t pairs);
  // Followed by `count` values that answer no command. RESP2: an array.
  void push(std::uint64_t count);
  void number(double value);
  void boolean(bool value);
  // `format` has three letters: "txt", "mkd". RESP2: a bulk string.
  void verbatim(std::string_view format, std::string_view text);

 private:
  void header(char marker, std::uint64_t count);
  void line(char marker, std::string_view text);
  [[nodiscard]] bool is3() const { return version_ == Version::resp3; }

  std::string& out_;
  Version version_;
};

// A command as clients send it: an array of bulk strings.
template <class Args>
void write_command(std::string& out, const Args& args) {
  ReplyWriter writer(out);
  writer.array(std::size(args));
  for (const std::string_view arg : args) writer.bulk(arg);
}

}  // namespace penstock::wire::resp
