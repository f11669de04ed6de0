#include "engine/pattern.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include "base/text.h"

namespace penstock::engine {
namespace {

// For the program and for the states that matching makes of it; beyond, matching is slower, and
// still linear.
constexpr std::int64_t kMemoryBytes = 256 << 10;
constexpr int kProgramMax = 10'000;

re2::RE2::Options options() {
  re2::RE2::Options options;
  options.set_encoding(re2::RE2::Options::EncodingLatin1);  // bytes, whatever they mean
  options.set_log_errors(false);
  options.set_never_capture(true);
  options.set_max_mem(kMemoryBytes);
  return options;
}

}  // namespace

Pattern::Pattern() = default;
Pattern::~Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;

Result<Pattern> Pattern::compile(std::string_view text) {
  if (text.size() > kBytesMax)
    return fail(ErrorCode::too_large,
                fmt::format("a pattern of {} bytes: at most {} are taken", text.size(), kBytesMax));
  if (!is_valid_utf8(text)) return fail(ErrorCode::invalid, "a pattern that is not valid UTF-8");
  Pattern pattern;
  pattern.text_ = text;
  pattern.all_ = text == ".*";
  if (text.empty() || pattern.all_) return pattern;
  pattern.expression_ = std::make_unique<re2::RE2>(pattern.text_, options());
  if (pattern.expression_->error_code() == re2::RE2::ErrorPatternTooLarge ||
      pattern.expression_->ProgramSize() > kProgramMax)
    return fail(ErrorCode::too_large, fmt::format("the pattern {} repeats too much", quoted(text)));
  if (!pattern.expression_->ok())
    return fail(ErrorCode::invalid, fmt::format("the pattern {} is no regular expression: {}",
                                                quoted(text), pattern.expression_->error()));
  return pattern;
}

Pattern Pattern::kept(std::string_view text) {
  if (auto compiled = compile(text)) return std::move(*compiled);
  Pattern nothing;
  nothing.text_ = text;
  return nothing;
}

bool Pattern::matches(std::string_view name) const {
  if (all_) return true;
  return expression_ != nullptr && re2::RE2::PartialMatch(name, *expression_);
}

}  // namespace penstock::engine
