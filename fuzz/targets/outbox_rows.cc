// Rows of an outbox, which is a table of the user's: what a drainer makes of them.
#include "base/check.h"
#include "fuzz/support/fuzz.h"
#include "fuzz/support/meter.h"
#include "penstock/outbox.hpp"
#include "task/outbox_row.h"

namespace penstock::fuzz {
namespace {

using outbox::Row;

std::optional<outbox::detail::RowOptions> read(const Row& row) {
  try {
    return outbox::detail::read_row(row);
  } catch (const InvalidInput& wrong) {
    CHECK(wrong.what()[0] != '\0');
    return {};
  }
}

}  // namespace

void fuzz_one(ByteView input) {
  Row row{.id = "0123456789abcdef0123456789abcdef", .task = "t", .queue = "q"};
  row.payload = "{\"args\":[1]}";
  row.options = as_text(input);
  const auto told = read(row);
  if (told) {
    // What was read is written so that it reads back the same.
    Row again = row;
    again.options = outbox::detail::stored_options(told->task, told->enqueue);
    const auto once_more = read(again);
    CHECK(once_more);
    CHECK(outbox::detail::stored_options(once_more->task, once_more->enqueue) == again.options);
    CHECK(told->enqueue.timeout == once_more->enqueue.timeout &&
          told->enqueue.headers == once_more->enqueue.headers &&
          told->enqueue.expires == once_more->enqueue.expires);
  }
  row.options = "{}";
  row.payload = as_text(input);
  (void)read(row);
}

}  // namespace penstock::fuzz
