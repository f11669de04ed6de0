// Commands of the Redis protocol, from bytes: arrays of bulk strings, and inline commands.
//
//   *2\r\n$3\r\nGET\r\n$1\r\nx\r\n          GET x\r\n
//
// What it is: a state machine over an input buffer that the caller owns. The caller keeps the bytes
// that
//   were not consumed at the front of its buffer, adds what arrives behind them, and calls again;
//   the buffer may move between calls. A byte is looked at once, however the input is cut.
// Threads:  one caller at a time.
// Lifetime: arguments point into the input given to that call (or, for a quoted inline command,
// into the
//   parser), until the next call or until the input changes.
// Memory:   grows with the arguments received, never with a count or length declared; in the steady
// state
//   a command allocates nothing.
// Damage:   an error is for ever; its text is safe to send back as "-ERR <text>", after which the
//   connection is to be closed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace penstock::wire::resp {

struct Limits {
  std::uint32_t max_args = 1'048'576;
  std::uint64_t max_bulk_bytes = (16ull << 20) + (64ull << 10);  // a largest message and its frame
  std::uint64_t max_command_bytes = (32ull << 20) + (64ull << 10);  // of all arguments and headers
  std::uint32_t max_inline_bytes = 64u << 10;

  // For a connection that has not said who it is (CVE-2021-32675).
  [[nodiscard]] static constexpr Limits before_login() {
    return {.max_args = 16,
            .max_bulk_bytes = 16u << 10,
            .max_command_bytes = 64u << 10,
            .max_inline_bytes = 16u << 10};
  }
};

enum class [[nodiscard]] CommandStatus : std::uint8_t{need_more, command, error};

class CommandParser {
 public:
  struct Outcome {
    CommandStatus status;
    // Bytes at the front of the input that are done with. With `command` they hold the arguments,
    // so they are dropped after the command has been dealt with.
    std::size_t consumed = 0;
  };

  explicit CommandParser(Limits limits = {}) : limits_(limits) {}

  // The next command, from input that begins with the first byte not consumed so far.
  Outcome parse(ByteView input);

  // After `command`: never empty.
  [[nodiscard]] std::span<const std::string_view> args() const { return args_; }
  // After `error`: one line, begins with "Protocol error: ".
  [[nodiscard]] const std::string& error() const { return error_; }
  // After `need_more`: the input size, at the least, with which another call can get further. A
  // hint, derived from a length that is only declared: reserve no memory by it.
  [[nodiscard]] std::uint64_t wanted() const { return wanted_; }
  // For the commands from here on; a command begun is held to the new limits too.
  void set_limits(const Limits& limits) { limits_ = limits; }

 private:
  enum class Step : std::uint8_t { start, inline_line, array, bulk_header, bulk_body, failed };
  enum class Progress : std::uint8_t { more, stuck, done };
  struct Range {
    std::uint32_t offset;
    std::uint32_t size;
  };

  Progress advance(std::string_view in);
  Progress start(std::string_view in);
  Progress array_header(std::string_view in);
  Progress bulk_header(std::string_view in);
  Progress bulk_body(std::string_view in);
  Progress inline_line(std::string_view in);
  bool split_inline(std::string_view line);
  // Reads "<marker><digits>\r\n" at at_; stuck while its end has not arrived.
  Progress length_line(std::string_view in, std::string_view error, std::int64_t& value);
  Progress wait_for(std::uint64_t input_size);
  Progress protocol_error(std::string text);
  void finish(std::string_view in);
  void begin();
  void drop_args();

  Limits limits_;
  Step step_ = Step::start;
  std::size_t at_ = 0;       // read up to here; everything before is settled
  std::size_t begin_ = 0;    // where the command begins: behind empty lines and arrays
  std::size_t scanned_ = 0;  // no line end before here
  std::uint32_t args_left_ = 0;
  std::uint64_t bulk_ = 0;  // size of the bulk string at at_
  std::uint64_t wanted_ = 0;
  std::vector<Range> ranges_;
  std::vector<std::string_view> args_;
  std::string unquoted_;  // arguments of an inline command with quotes or escapes
  std::string error_;
};

}  // namespace penstock::wire::resp
