// The WORD value pairs behind a command's fixed arguments, read by a table.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/text.h"
#include "protocol/resp/session.h"

namespace penstock::protocol::resp {

template <class Into>
struct Option {
  std::string_view word;  // upper case; read in any case
  std::size_t values;     // how many words follow it
  Result<void> (*set)(Into& into, Args values);
};

// "unknown option "X"; accepted are A, B, C".
template <class Into>
[[nodiscard]] std::unexpected<Error> unknown_option(std::string_view given,
                                                    std::span<const Option<Into>> table,
                                                    std::string_view stop) {
  std::string text = "unknown option " + quoted(given) + "; accepted are ";
  for (const auto& option : table) text.append(option.word).append(", ");
  text.append(stop);
  if (text.ends_with(", ")) text.resize(text.size() - 2);
  return fail(ErrorCode::invalid, std::move(text));
}

// Reads args[at] and on into `into`. Ends at the last word, or at the word `stop`, and gives the
// place where it ended. An error names the option.
template <class Into, std::size_t N>
[[nodiscard]] Result<std::size_t> read_options(Args args, std::size_t at,
                                               const Option<Into> (&options)[N], Into& into,
                                               std::string_view stop = {}) {
  const std::span<const Option<Into>> table(options);
  while (at < args.size() && (stop.empty() || !ascii_iequals(args[at], stop))) {
    const Option<Into>* found = nullptr;
    for (const auto& option : table)
      if (ascii_iequals(args[at], option.word)) found = &option;
    if (found == nullptr) return unknown_option(args[at], table, stop);
    if (args.size() - at - 1 < found->values)
      return fail(ErrorCode::invalid, std::string(found->word) + ": its value is missing");
    if (auto set = found->set(into, args.subspan(at + 1, found->values)); !set)
      return fail(std::move(set.error()).at(found->word));
    at += 1 + found->values;
  }
  return at;
}

// True when `word` is one of the table's.
template <class Into, std::size_t N>
[[nodiscard]] bool is_option(const Option<Into> (&options)[N], std::string_view word) {
  for (const auto& option : options)
    if (ascii_iequals(word, option.word)) return true;
  return false;
}

// ---- values
// A duration from now that no sum with the present can overflow: at most 36500d.
[[nodiscard]] Result<Duration> read_duration(std::string_view text);
// Milliseconds since 1970, up to the year 9999.
[[nodiscard]] Result<Time> read_time(std::string_view text);
[[nodiscard]] Result<std::uint32_t> read_count(std::string_view text, std::uint32_t min,
                                               std::uint32_t max);
[[nodiscard]] Result<double> read_number(std::string_view text);
[[nodiscard]] Result<bool> read_yes_no(std::string_view text);
// "none", "fixed:2s", "exponential:1s:60s", each but the first with ":nojitter" where wanted.
[[nodiscard]] Result<flow::Backoff> read_backoff(std::string_view text);
[[nodiscard]] Result<MessageId> read_id(std::string_view text);
// At most 64 KiB of UTF-8.
[[nodiscard]] Result<std::string_view> read_error_text(std::string_view text);
[[nodiscard]] Result<engine::Cause> read_cause(std::string_view text);
// One complete JSON value of the kind asked for: '[', '{', or any when `kind` is 0.
[[nodiscard]] Result<void> check_json(std::string_view text, char kind);

}  // namespace penstock::protocol::resp
