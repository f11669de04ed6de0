// What the management routes' handlers have in common: names in virtual hosts, lists, pages.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/names.h"
#include "protocol/http/exchange.h"
#include "protocol/http/json_text.h"

namespace penstock::protocol::http::management {

// There is one node, and it goes by this name.
inline constexpr std::string_view kNode = "penstock@localhost";
// What the default exchange is called in a path.
inline constexpr std::string_view kDefaultExchange = "amq.default";

struct Name {
  std::string host, name, scoped;
};

// Error::invalid when it is no name, whatever there is by that name.
[[nodiscard]] Result<Name> make_name(std::string_view host, std::string_view name,
                                     std::string_view what);
// The virtual host in the path's first braces is there; nothing, and answered, when it is not.
[[nodiscard]] std::optional<std::string> host_in_path(Exchange& exchange);
// "{vhost}/{name}" at the path's braces; nothing, and answered, when they are none.
[[nodiscard]] std::optional<Name> name_in_path(Exchange& exchange, std::string_view what,
                                               std::size_t at = 1);
// The same for an exchange, which may be the default one: its name is empty.
[[nodiscard]] std::optional<Name> exchange_in_path(Exchange& exchange, std::size_t at = 1);
// Nothing, and answered, when there is no such queue.
[[nodiscard]] std::optional<Name> queue_in_path(Exchange& exchange);
// The user in the path; null, and answered, when there is none.
[[nodiscard]] const engine::User* user_in_path(Exchange& exchange, std::size_t at = 0);
// The request's body, read as JSON; nothing, and answered, when it is none.
[[nodiscard]] std::optional<boost::json::value> body_of(Exchange& exchange);

// "there is no exchange 'x' in vhost '/'", when that is durable.
void answer_none(Exchange& exchange, std::string_view what, const Name& name);
void answer_when_durable(Exchange& exchange, const Error& error);

// Arguments as they are kept, which is JSON, or nothing for none.
inline JsonText& write_arguments(JsonText& json, std::string_view arguments) {
  return json.key("arguments").raw(arguments.empty() ? "{}" : arguments);
}

// A list: all of it, or the page that `?page=`, `?page_size=` and `?name=` ask for.
class Rows {
 public:
  static constexpr std::size_t kTextBytesMax = 64u << 20;

  // Nothing, and answered, when the query makes no sense.
  [[nodiscard]] static std::optional<Rows> begin(Exchange& exchange);
  // Whether a row of that name is to be written now, with json().
  [[nodiscard]] bool wants(std::string_view name);
  [[nodiscard]] JsonText& json() { return json_; }
  // When all of it is durable.
  void answer();

 private:
  Rows(Exchange& exchange, std::uint64_t page, std::uint64_t page_size, std::string filter);

  Exchange& exchange_;
  std::string& text_;
  JsonText json_;
  std::uint64_t page_;  // 0: all
  std::uint64_t page_size_;
  std::string filter_;
  std::uint64_t total_ = 0, filtered_ = 0, written_ = 0;
};

}  // namespace penstock::protocol::http::management
