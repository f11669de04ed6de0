// A message's headers: names and values, kept as one run of bytes so that carrying them costs
// nothing.
#pragma once

#include <optional>
#include <string_view>

#include "base/cursor.h"
#include "base/result.h"

namespace penstock {

// Builds the run.
class HeaderWriter {
 public:
  HeaderWriter& add(std::string_view name, std::string_view value) {
    Encoder(bytes_).text(name).text(value);
    return *this;
  }
  [[nodiscard]] ByteView view() const { return bytes_; }
  void clear() { bytes_.clear(); }

 private:
  Bytes bytes_;
};

// Walks the run; a damaged run ends the walk.
template <class Visit>
void for_each_header(ByteView headers, Visit visit) {
  Cursor cursor(headers);
  while (cursor.left() > 0) {
    const auto name = cursor.text();
    const auto value = cursor.text();
    if (!cursor.ok()) return;
    visit(name, value);
  }
}

[[nodiscard]] inline std::optional<std::string_view> find_header(ByteView headers,
                                                                 std::string_view wanted) {
  std::optional<std::string_view> found;
  for_each_header(headers, [&](std::string_view name, std::string_view value) {
    if (!found && name == wanted) found = value;
  });
  return found;
}

// The names that Penstock itself gives a meaning to.
inline constexpr std::string_view kTaskHeader = "penstock-task";  // the task's name
// Of what a schedule published: its name, and the time that it was due.
inline constexpr std::string_view kScheduleHeader = "penstock-schedule";
inline constexpr std::string_view kDueHeader = "penstock-due";
// How long an attempt at a task may take, instead of what its worker says: "30s".
inline constexpr std::string_view kTimeoutHeader = "penstock-timeout";
inline constexpr std::string_view kHardTimeoutHeader = "penstock-hard-timeout";
// Whether a client's header says what one of these may; what others say is not looked at.
[[nodiscard]] Result<void> valid_header_value(std::string_view name, std::string_view value);
inline constexpr std::string_view kContentTypeHeader = "content-type";

// Headers that no client can set or see as they are, for no name of a client's holds a control
// character. What they hold is shown in each protocol's own way.
inline constexpr std::string_view kRouteHeader = "\x01r";       // engine/route_header.h
inline constexpr std::string_view kDeathsHeader = "\x1d";       // engine/deaths.h
inline constexpr std::string_view kPropertiesHeader = "\x01p";  // AMQP's, as on the wire
[[nodiscard]] inline bool is_hidden_header(std::string_view name) {
  return !name.empty() && static_cast<unsigned char>(name[0]) < ' ';
}

}  // namespace penstock
