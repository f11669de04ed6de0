// A task's arguments, read from its payload: {"args":[...],"kwargs":{...}}.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

namespace penstock::cli {

struct Arguments {
  boost::json::array args;
  boost::json::object kwargs;

  // A payload of any other shape, such as a plain message's, has no arguments.
  [[nodiscard]] static Arguments of(std::string_view payload);
};

// As a word of a command line: a string as it is, everything else as JSON.
[[nodiscard]] std::string as_word(const boost::json::value& value);

}  // namespace penstock::cli
