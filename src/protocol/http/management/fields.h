// The fields of a JSON object as RabbitMQ's clients send them: unknown ones are let pass, and
// rabbitmqadmin writes numbers and truth values as texts.
//
// The first thing that is wrong stays; good() tells it.
// Threads: one caller at a time. Lifetime: the value outlives the reader and the views it gives.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace penstock::protocol::http::management {

class Fields {
 public:
  // `what` begins the errors: "queue 3".
  explicit Fields(const boost::json::value& value, std::string what = "the body");

  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }
  [[nodiscard]] std::string_view text(std::string_view name, std::string_view fallback = {});
  [[nodiscard]] std::string_view required_text(std::string_view name);
  [[nodiscard]] bool flag(std::string_view name, bool fallback);
  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t min, std::int64_t max,
                                     std::int64_t fallback);
  // An empty one when it is absent, or an empty list, which is how Erlang writes none.
  [[nodiscard]] const boost::json::object& object(std::string_view name);
  [[nodiscard]] const boost::json::array& array(std::string_view name);
  [[nodiscard]] Result<void> good() const;

 private:
  // Null counts as absent.
  [[nodiscard]] const boost::json::value* find(std::string_view name) const;
  void refuse(std::string_view name, std::string_view rule);

  const boost::json::object* object_ = nullptr;
  std::string what_;
  std::optional<Error> error_;
};

}  // namespace penstock::protocol::http::management
