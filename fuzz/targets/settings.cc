// The configuration file.
#include "server/settings.h"

#include <string>

#include "base/check.h"
#include "fuzz/support/fuzz.h"

namespace penstock::fuzz {
namespace {

using namespace server;

}  // namespace

void fuzz_one(ByteView input) {
  const auto text = as_text(input);
  Settings settings;
  if (const auto read = read_text(settings, text, "penstock.toml"); !read) {
    CHECK(!read.error().message.empty());
    return;
  }
  // What is shown is what would be read back.
  Settings again;
  for (const auto& row : setting_rows()) {
    const auto value = row.show(settings);
    const auto values = row.list ? split_list(value) : std::vector<std::string>{value};
    if (value.empty()) continue;  // not set
    // The path of a local socket may have a comma, which parts a list's values.
    const auto applied = apply_setting(again, row, values);
    if (row.list && !applied) return;
    if (!applied) fatal("what is shown is refused", applied.error().message);
  }
  for (const auto& row : setting_rows())
    if (!row.list) CHECK(row.show(again) == row.show(settings));
  if (const auto good = validate(settings); !good) CHECK(!good.error().message.empty());
}

}  // namespace penstock::fuzz
