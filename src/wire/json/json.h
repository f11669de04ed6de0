// JSON in and out: Boost.JSON within bounds, with errors that say where.
//
// Threads:  pure functions; an ObjectReader belongs to one caller.
// Lifetime: an ObjectReader, and the views it gives, live as long as the value they read.
// Memory:   bounded by the text received; a parsed value takes up to some 24 bytes for each byte of
// text
//   ("[0,0,0..."), so the size limit is the memory limit.
#pragma once

#include <boost/json/storage_ptr.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace penstock::wire::json {

struct Limits {
  std::size_t max_bytes = 1u << 20;
  std::size_t max_depth = 32;
  // Numbers that a double may change (with a fraction, an exponent, or more than 64 bits) stay as
  // they are written. In the value they are strings that no text is: is_text() tells them apart,
  // to_text() writes them as they came, and an ObjectReader reads them as numbers.
  bool keep_numbers = false;
};

// One JSON text (RFC 8259), the whole of `text`: valid UTF-8, no comments, no trailing commas. Of a
// name given twice, the last one counts. An error names the position: "JSON: syntax error at byte
// 17".
// A number with a fraction or an exponent is the double next to it, as written by any shortest
// writer. The value lives in `memory`, which is the heap when none is given.
[[nodiscard]] Result<boost::json::value> parse(std::string_view text, const Limits& limits = {},
                                               boost::json::storage_ptr memory = {});
// Whether parse() would take it, and with the same error if not; builds nothing in memory. For JSON
// that is passed on as it came.
[[nodiscard]] Result<void> check(std::string_view text, const Limits& limits = {});
// What an array or an object holds, one after the other, as it is written there: no number is
// changed, nothing is copied. `text` is one that check() takes; anything else holds something else.
//
//   for (json::Parts parts(text); parts.next();) use(parts.value());
class Parts {
 public:
  explicit Parts(std::string_view text);
  // False: that was all.
  [[nodiscard]] bool next();
  [[nodiscard]] std::string_view name() const { return name_; }  // in quotes; in an array, nothing
  [[nodiscard]] std::string_view value() const { return value_; }

 private:
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  std::string_view take_value();
  void skip_string();
  void skip_space();

  std::string_view text_;
  std::size_t at_ = 0;
  bool named_ = false;
  std::string_view name_, value_;
};
// A string, and no number that was kept.
[[nodiscard]] bool is_text(const boost::json::value& value);
// Without spaces; what parse() reads back.
[[nodiscard]] std::string to_text(const boost::json::value& value);
// Appends `text` as a JSON string, quotes included; bytes that are no UTF-8 become U+FFFD.
void append_string(std::string& out, std::string_view text);

// Longer ones are refused: no sum with the present may overflow.
inline constexpr Duration kDurationMax = std::chrono::hours(24 * 36500);

// Reads the fields of an object one by one. The first error stays, later calls give fallbacks, and
// finish() tells it; so a request is decoded as a list and checked once, at its end:
//
//   json::ObjectReader in(value);
//   const auto max = in.integer("max", 1, 1000, 10);
//   const auto wait = in.duration("wait").value_or(0s);
//   if (auto good = in.finish(); !good) return good;  // field "max" must be an integer from 1 to
//   1000...
class ObjectReader {
 public:
  // `what` begins the errors: "message 3: ".
  explicit ObjectReader(const boost::json::value& value, std::string_view what = {});

  // Present and of its type, or nothing; null counts as absent. A wrong type or range is an error.
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view name, std::int64_t min,
                                                    std::int64_t max);
  [[nodiscard]] std::optional<double> number(std::string_view name, double min, double max);
  [[nodiscard]] std::optional<bool> boolean(std::string_view name);
  [[nodiscard]] std::optional<std::string_view> text(std::string_view name);
  // Text with a unit, "1.5s" (base/text.h), or a whole number of milliseconds.
  [[nodiscard]] std::optional<Duration> duration(std::string_view name, Duration min = Duration(0));
  [[nodiscard]] const boost::json::object* object(std::string_view name);
  [[nodiscard]] const boost::json::array* array(std::string_view name);
  // Whatever it is; null too.
  [[nodiscard]] const boost::json::value* any(std::string_view name);

  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t min, std::int64_t max,
                                     std::int64_t fallback) {
    return integer(name, min, max).value_or(fallback);
  }
  [[nodiscard]] bool boolean(std::string_view name, bool fallback) {
    return boolean(name).value_or(fallback);
  }
  // Absent is an error.
  [[nodiscard]] std::string_view required_text(std::string_view name);
  [[nodiscard]] std::int64_t required_integer(std::string_view name, std::int64_t min,
                                              std::int64_t max);

  // A rule of the caller's own is broken: `field "x" must <rule>`.
  void refuse(std::string_view name, std::string_view rule);
  [[nodiscard]] bool ok() const { return !error_; }
  // The first error; or, without one, that a field is there which was never asked for.
  [[nodiscard]] Result<void> finish();

 private:
  const boost::json::value* look_up(std::string_view name);
  void refuse_value(std::string_view name, std::string_view rule, const boost::json::value& value);
  void keep(std::string message);

  const boost::json::object* object_ = nullptr;
  std::string what_;
  std::vector<std::string_view> asked_;  // names that the caller knows: as many as its source has
  std::optional<Error> error_;
};

}  // namespace penstock::wire::json
