// Writes JSON onto the end of a string that the caller owns: commas and quotes are seen to.
//
// Text that is no UTF-8 comes out with U+FFFD in place of what was wrong, so the whole always
// parses. Threads: one caller at a time. Lifetime: the string outlives the writer.
#pragma once

#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/ids.h"
#include "wire/json/json.h"

namespace penstock::protocol::http {

class JsonText {
 public:
  explicit JsonText(std::string& out) : out_(out) {}

  JsonText& begin_object() { return open('{'); }
  JsonText& end_object() { return close('}'); }
  JsonText& begin_array() { return open('['); }
  JsonText& end_array() { return close(']'); }
  // `name` is a literal, or text that needs escaping.
  JsonText& key(std::string_view name) {
    string(name);
    out_.push_back(':');
    comma_ = false;
    return *this;
  }
  JsonText& string(std::string_view text) {
    separate();
    wire::json::append_string(out_, text);
    return *this;
  }
  template <class Integer>
  requires std::is_integral_v<Integer> JsonText& integer(Integer value) {
    separate();
    char text[24];
    const auto [end, error] = std::to_chars(text, text + sizeof text, value);
    out_.append(text, static_cast<std::size_t>(end - text));
    return *this;
  }
  // Infinities and the like are null: JSON has none.
  JsonText& number(double value) {
    if (!std::isfinite(value)) return null();
    separate();
    char text[32];
    const auto [end, error] = std::to_chars(text, text + sizeof text, value);
    out_.append(text, static_cast<std::size_t>(end - text));
    return *this;
  }
  JsonText& boolean(bool value) { return raw(value ? "true" : "false"); }
  JsonText& null() { return raw("null"); }
  // `json` is a JSON value already.
  JsonText& raw(std::string_view json) {
    separate();
    out_.append(json);
    return *this;
  }

  // ---- as the API tells these
  JsonText& id(MessageId id) {
    separate();
    out_.push_back('"');
    comma_ = false;
    integer(id.value);
    out_.push_back('"');
    return *this;
  }
  // Milliseconds since 1970; null for the zero that means "none".
  JsonText& time(Time time) { return time == Time{} ? null() : integer(micros(time) / 1000); }
  // Milliseconds, with decimals where there are microseconds.
  JsonText& milliseconds(Duration duration) {
    if (duration.count() % 1000 == 0) return integer(duration.count() / 1000);
    return number(static_cast<double>(duration.count()) / 1000.0);
  }

 private:
  JsonText& open(char bracket) {
    separate();
    out_.push_back(bracket);
    comma_ = false;
    return *this;
  }
  JsonText& close(char bracket) {
    out_.push_back(bracket);
    comma_ = true;
    return *this;
  }
  void separate() {
    if (comma_) out_.push_back(',');
    comma_ = true;
  }

  std::string& out_;
  bool comma_ = false;
};

}  // namespace penstock::protocol::http
