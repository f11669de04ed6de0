// A pattern of permissions: which names a user may use.
//
// A regular expression that is looked for anywhere in a name, as RabbitMQ does: "^mail\." are the
// names that begin so, ".*" are all, and nothing at all matches an empty one. Matching takes time
// that grows with the name's length and with nothing else; look-around and back references, which
// would change that, are no part of it.
//
// Threads: one. Lifetime: owns what it compiled.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace penstock::engine {

class Pattern {
 public:
  static constexpr std::size_t kBytesMax = 1024;

  Pattern();  // matches nothing
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;

  // Error::invalid says what is wrong with it; Error::too_large, that it is too long or would take
  // too much memory.
  [[nodiscard]] static Result<Pattern> compile(std::string_view text);
  // Of a log: one that this version cannot compile matches nothing, and keeps its text.
  [[nodiscard]] static Pattern kept(std::string_view text);

  [[nodiscard]] bool matches(std::string_view name) const;
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
  bool all_ = false;
  std::unique_ptr<re2::RE2> expression_;  // null: matches nothing, or everything
};

}  // namespace penstock::engine
