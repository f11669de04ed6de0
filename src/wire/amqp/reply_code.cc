#include "wire/amqp/reply_code.h"

#include <algorithm>

#include "base/text.h"
#include "wire/amqp/octets.h"

namespace penstock::wire::amqp {

std::string_view name_of(ReplyCode code) {
  switch (code) {
    case ReplyCode::success:
      return "SUCCESS";
    case ReplyCode::content_too_large:
      return "CONTENT_TOO_LARGE";
    case ReplyCode::no_route:
      return "NO_ROUTE";
    case ReplyCode::no_consumers:
      return "NO_CONSUMERS";
    case ReplyCode::connection_forced:
      return "CONNECTION_FORCED";
    case ReplyCode::invalid_path:
      return "INVALID_PATH";
    case ReplyCode::access_refused:
      return "ACCESS_REFUSED";
    case ReplyCode::not_found:
      return "NOT_FOUND";
    case ReplyCode::resource_locked:
      return "RESOURCE_LOCKED";
    case ReplyCode::precondition_failed:
      return "PRECONDITION_FAILED";
    case ReplyCode::frame_error:
      return "FRAME_ERROR";
    case ReplyCode::syntax_error:
      return "SYNTAX_ERROR";
    case ReplyCode::command_invalid:
      return "COMMAND_INVALID";
    case ReplyCode::channel_error:
      return "CHANNEL_ERROR";
    case ReplyCode::unexpected_frame:
      return "UNEXPECTED_FRAME";
    case ReplyCode::resource_error:
      return "RESOURCE_ERROR";
    case ReplyCode::not_allowed:
      return "NOT_ALLOWED";
    case ReplyCode::not_implemented:
      return "NOT_IMPLEMENTED";
    case ReplyCode::internal_error:
      return "INTERNAL_ERROR";
  }
  return {};
}

bool is_connection_error(ReplyCode code) {
  switch (code) {
    case ReplyCode::success:
    case ReplyCode::content_too_large:
    case ReplyCode::no_route:
    case ReplyCode::no_consumers:
    case ReplyCode::access_refused:
    case ReplyCode::not_found:
    case ReplyCode::resource_locked:
    case ReplyCode::precondition_failed:
      return false;
    default:
      return true;
  }
}

std::string reply_text(ReplyCode code, std::string_view explanation) {
  constexpr std::string_view ellipsis = "...";
  std::string text(name_of(code));
  if (!explanation.empty()) text.append(" - ").append(explanation);
  const auto is_control = [](unsigned char byte) { return byte < 0x20 || byte == 0x7f; };
  std::ranges::replace_if(text, is_control, '?');
  // A client that finds a short string not to be UTF-8 may give up the connection.
  const auto is_foreign = [](unsigned char byte) { return byte >= 0x80; };
  if (!is_valid_utf8(text)) std::ranges::replace_if(text, is_foreign, '?');
  if (text.size() <= kShortStringBytesMax) return text;
  text.resize(short_enough(text, kShortStringBytesMax - ellipsis.size()).size());
  return text.append(ellipsis);
}

}  // namespace penstock::wire::amqp
