// What the HTTP/1.1 parsers and writers have in common.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::wire::http {

// The methods served; any other is refused with 501.
enum class Method : std::uint8_t { get, head, post, put, del, options, patch };
[[nodiscard]] std::string_view name_of(Method method);
[[nodiscard]] std::optional<Method> method_named(std::string_view name);

struct Limits {
  std::uint32_t max_head_bytes = 16u << 10;   // start line and fields: 431
  std::uint32_t max_fields = 100;             // 431
  std::uint32_t max_target_bytes = 8u << 10;  // 414
  std::uint64_t max_body_bytes = 16u << 20;   // 413; per request, see set_max_body_bytes()
};

// A message that was refused. The connection must be closed after the answer: where the next
// message begins is not known, and guessing is how requests are smuggled.
struct Failure {
  int status = 400;
  std::string_view code;  // for programs: "bad_request", "body_too_large"
  std::string message;    // for people; holds nothing of what was received but what is quoted
};

struct Field {
  std::string_view name;
  std::string_view value;
};

// The fields of one message, in order; names are compared without regard to case.
class Fields {
 public:
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  // The value, or an empty one.
  [[nodiscard]] std::string_view value(std::string_view name) const;
  [[nodiscard]] std::span<const Field> all() const { return fields_; }

  void add(std::string_view name, std::string_view value) { fields_.push_back({name, value}); }
  void clear() { fields_.clear(); }

 private:
  std::vector<Field> fields_;  // at most Limits::max_fields
};

// "Not Found"; "Unknown" for a status that has no name here.
[[nodiscard]] std::string_view reason_of(int status);

}  // namespace penstock::wire::http
