// Why a method was refused, or a channel or connection closed (AMQP 0-9-1, section 1.2,
// "constants").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace penstock::wire::amqp {

enum class ReplyCode : std::uint16_t {
  success = 200,
  content_too_large = 311,
  no_route = 312,
  no_consumers = 313,
  connection_forced = 320,
  invalid_path = 402,
  access_refused = 403,
  not_found = 404,
  resource_locked = 405,
  precondition_failed = 406,
  frame_error = 501,
  syntax_error = 502,
  command_invalid = 503,
  channel_error = 504,
  unexpected_frame = 505,
  resource_error = 506,
  not_allowed = 530,
  not_implemented = 540,
  internal_error = 541,
};

// "NOT_FOUND", as RabbitMQ begins its reply texts; "SUCCESS" for 200, empty for no code of ours.
[[nodiscard]] std::string_view name_of(ReplyCode code);

// A hard error closes the connection, a soft one only the channel. On channel 0 all are hard.
[[nodiscard]] bool is_connection_error(ReplyCode code);

// "NOT_FOUND - no queue 'x' in vhost '/'": what goes into a close or a return. Fits a short string:
// a longer one is cut between characters and ends in "...". Always one line of UTF-8, whatever the
// names in it are: clients write it to their logs.
[[nodiscard]] std::string reply_text(ReplyCode code, std::string_view explanation);

}  // namespace penstock::wire::amqp
