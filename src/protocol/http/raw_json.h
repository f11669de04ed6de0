// The fields of a JSON object as they were written.
//
// Arguments and results pass through Penstock: handing on the text that came costs no tree in
// memory and changes no number. The text is checked to be JSON all the same. Threads: pure
// functions. Lifetime: views point into the text given.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"

namespace penstock::protocol::http {

class RawObject {
 public:
  static constexpr std::size_t kFieldsMax = 16;

  // `text` is one JSON object with `known` names only, or nothing at all, which counts as {}.
  [[nodiscard]] static Result<RawObject> read(std::string_view text,
                                              std::span<const std::string_view> known);
  // The value's text; nothing when it is absent or null.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;

  struct Field {
    std::string_view name;
    std::string_view value;
  };
  [[nodiscard]] std::span<const Field> fields() const { return {fields_.data(), count_}; }

 private:
  void add(std::string_view name, std::string_view value);

  std::array<Field, kFieldsMax> fields_;
  std::size_t count_ = 0;
};

}  // namespace penstock::protocol::http
