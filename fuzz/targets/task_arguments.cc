// Arguments of C++ tasks: JSON to typed values, and back.
#include <boost/describe.hpp>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/check.h"
#include "fuzz/support/fuzz.h"
#include "penstock/json.hpp"
#include "penstock/task.hpp"

namespace penstock::fuzz {
namespace {

enum class Colour : std::uint8_t { red, green };
BOOST_DESCRIBE_ENUM(Colour, red, green)

struct Size {
  std::int32_t width = 0;
  std::uint64_t height = 0;
  std::optional<float> scale;
};
BOOST_DESCRIBE_STRUCT(Size, (), (width, height, scale))

struct Everything {
  bool flag = false;
  std::int8_t small = 0;
  double real = 0;
  std::string text;
  Colour colour = Colour::red;
  std::vector<Size> sizes;
  std::map<std::string, std::int64_t> named;
  std::map<int, std::string> numbered;
  std::tuple<int, std::optional<std::string>> pair;
};
BOOST_DESCRIBE_STRUCT(Everything, (),
                      (flag, small, real, text, colour, sizes, named, numbered, pair))

template <class T>
std::string written(const T& value) {
  std::string text;
  detail::write_json(text, value);
  return text;
}

template <class T>
void check_type(const boost::json::value& value) {
  try {
    const detail::JsonPlace place{nullptr, "argument", 0};
    const auto read = detail::read_json<T>(value, place);
    // What was read is written so that it reads back the same.
    const auto text = written(read);
    const auto again = detail::read_json<T>(detail::parse_json(text, "again"), place);
    CHECK(written(again) == text);
  } catch (const InvalidInput& refused) {
    CHECK(refused.what()[0] != '\0');
  }
}

}  // namespace

void fuzz_one(ByteView input) {
  const auto text = as_text(input);
  try {
    const detail::Arguments arguments(text, 2);
    static_cast<void>(arguments.get<std::int32_t>(0));
    static_cast<void>(arguments.get<std::string>(1));
  } catch (const InvalidInput& refused) {
    CHECK(refused.what()[0] != '\0');
  }
  try {
    const auto value = detail::parse_json(text, "result");
    check_type<Everything>(value);
    check_type<std::vector<Everything>>(value);
    check_type<std::int64_t>(value);
    check_type<std::uint8_t>(value);
    check_type<double>(value);
    check_type<std::string>(value);
    check_type<std::vector<std::optional<Size>>>(value);
    check_type<boost::json::value>(value);
  } catch (const InvalidInput& refused) {
    CHECK(refused.what()[0] != '\0');
  }
}

}  // namespace penstock::fuzz
