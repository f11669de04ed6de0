// What a user's program does with the installed library: a task, a workflow, and an outbox of each
// database that the library was built with.
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <penstock/outbox.hpp>
#include <penstock/penstock.hpp>
#include <string>
#include <vector>
#ifdef HAS_SQLITE
#include <sqlite3.h>
#endif

namespace {

using namespace std::chrono_literals;

void need(bool good, const char* what) {
  if (good) return;
  std::cerr << "not so: " << what << "\n";
  std::exit(1);
}

const auto add = penstock::task("add", [](int a, int b) { return a + b; });

#ifdef HAS_SQLITE
void run_sqlite(penstock::App& app) {
  sqlite3* db = nullptr;
  need(sqlite3_open(":memory:", &db) == SQLITE_OK, "SQLite opens a database in memory");
  const auto outbox = penstock::outbox::sqlite(db);
  outbox->create_schema();
  penstock::outbox::enqueue(*outbox, add, 40, 2);
  need(penstock::outbox::Drainer(app, *outbox).drain() == 1, "the outbox published its row");
  need(outbox->oldest(1).empty(), "and forgot it");
  sqlite3_close(db);
}
#endif

}  // namespace

int main() {
  std::filesystem::remove_all("jobs");
  auto app = penstock::App::embedded("jobs");
  app.add(add);
  const auto workers = app.work();
  need(app.enqueue(add, 1, 2).get(30s) == 3, "a task runs");
  need(app.start(penstock::chain(penstock::step(add, 1, 2), penstock::step(add, 3))).get(30s) == 6,
       "a workflow runs");
#ifdef HAS_SQLITE
  run_sqlite(app);
#endif
#ifdef HAS_POSTGRES
  // Linked, and not run: there is no server. What a connection of none says is libpq's own.
  need(penstock::outbox::postgres(nullptr) != nullptr, "an outbox of PostgreSQL is made");
#endif
  std::cout << "the installed library works\n";
}
