#include "protocol/resp/options.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdint>

#include "wire/json/json.h"

namespace penstock::protocol::resp {
namespace {

constexpr Duration kDurationMax = std::chrono::hours(24 * 36500);
constexpr std::uint64_t kMillisMax = 253'402'300'799'999;  // 9999-12-31
constexpr std::size_t kErrorTextBytesMax = 64u << 10;

// Cuts the part before the next ':' off the front.
std::string_view take_part(std::string_view& text) {
  const auto part = text.substr(0, text.find(':'));
  text.remove_prefix(std::min(text.size(), part.size() + 1));
  return part;
}

std::unexpected<Error> bad_backoff(std::string_view text) {
  return fail(ErrorCode::invalid,
              "not a backoff: " + quoted(text) +
                  "; accepted are none, fixed:2s and exponential:1s:60s, with :nojitter behind it "
                  "where the delay shall be exact");
}

}  // namespace

Result<Duration> read_duration(std::string_view text) {
  auto duration = parse_duration(text);
  if (duration && *duration > kDurationMax)
    return fail(ErrorCode::invalid, quoted(text) + " is too long; at most 36500d");
  return duration;
}

Result<Time> read_time(std::string_view text) {
  const auto millis = parse_u64(text);
  if (!millis || *millis > kMillisMax)
    return fail(ErrorCode::invalid,
                "not a time: " + quoted(text) + "; milliseconds since 1970-01-01 UTC are accepted");
  return time_from_micros(static_cast<std::int64_t>(*millis * 1000));
}

Result<std::uint32_t> read_count(std::string_view text, std::uint32_t min, std::uint32_t max) {
  const auto count = parse_u64(text);
  if (!count || *count < min || *count > max)
    return fail(ErrorCode::invalid, "not a number from " + std::to_string(min) + " to " +
                                        std::to_string(max) + ": " + quoted(text));
  return static_cast<std::uint32_t>(*count);
}

Result<double> read_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value))
    return fail(ErrorCode::invalid, "not a number: " + quoted(text));
  return value;
}

Result<bool> read_yes_no(std::string_view text) {
  if (ascii_iequals(text, "yes")) return true;
  if (ascii_iequals(text, "no")) return false;
  return fail(ErrorCode::invalid, "neither yes nor no: " + quoted(text));
}

Result<flow::Backoff> read_backoff(std::string_view text) {
  using Kind = flow::Backoff::Kind;
  std::string_view rest = text;
  const auto kind = ascii_lowered(take_part(rest));
  flow::Backoff backoff;
  if (kind == "none") {
    backoff.kind = Kind::none;
  } else if (kind == "fixed" || kind == "exponential") {
    backoff.kind = kind == "fixed" ? Kind::fixed : Kind::exponential;
    const auto base = read_duration(take_part(rest));
    const auto cap = backoff.kind == Kind::fixed ? base : read_duration(take_part(rest));
    if (!base || !cap) return bad_backoff(text);
    backoff.base = *base;
    backoff.cap = *cap;
    if (ascii_iequals(rest, "nojitter")) {
      backoff.jitter = false;
      rest = {};
    }
  } else {
    return bad_backoff(text);
  }
  if (!rest.empty()) return bad_backoff(text);
  return backoff;
}

Result<MessageId> read_id(std::string_view text) {
  const auto id = parse_u64(text);
  if (!id || *id == 0)
    return fail(ErrorCode::invalid, "not an id: " + quoted(text) +
                                        "; ids are the numbers that SEND and TASK.SUBMIT gave");
  return MessageId(*id);
}

Result<engine::Cause> read_cause(std::string_view text) {
  const auto cause = engine::cause_named(text);
  if (!cause)
    return fail(ErrorCode::invalid,
                fmt::format("no cause is {}; there are {}", quoted(text), engine::kCauseNames));
  return *cause;
}

Result<std::string_view> read_error_text(std::string_view text) {
  if (text.size() > kErrorTextBytesMax)
    return fail(ErrorCode::too_large,
                "the error text is longer than " + std::to_string(kErrorTextBytesMax) + " bytes");
  if (!is_valid_utf8(text)) return fail(ErrorCode::invalid, "the error text is not UTF-8");
  return text;
}

Result<void> check_json(std::string_view text, char kind) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (kind != 0 && (first == std::string_view::npos || text[first] != kind)) {
    const std::string name = kind == '[' ? "a JSON array" : "a JSON object";
    return fail(ErrorCode::invalid, "not " + name + ": " + quoted(text));
  }
  // The command was received within its own limit.
  if (auto good = wire::json::check(text, {.max_bytes = SIZE_MAX}); !good)
    return fail(ErrorCode::invalid, std::move(good.error().message));
  return {};
}

}  // namespace penstock::protocol::resp
