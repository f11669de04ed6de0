// Both ends of an outbox in SQLite, to be killed at any time.
//
//   work_outbox write DATABASE         orders, each with its task in one transaction
//   work_outbox drain DATABASE URL     publishes the tasks
//
// Until SIGTERM; says "ready" when it begins. Drain ends with 3 when the server is gone.
#include <sqlite3.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <condition_variable>
#include <csignal>
#include <iostream>
#include <memory>
#include <mutex>
#include <penstock/outbox.hpp>
#include <penstock/penstock.hpp>
#include <stop_token>
#include <string>
#include <thread>

namespace {

using namespace std::chrono_literals;
using Json = boost::json::value;
using Database = std::unique_ptr<sqlite3, decltype(&sqlite3_close)>;

constexpr int kServerGone = 3;
constexpr auto kPause = 5ms;  // between two orders: a disk takes no more of them

Database open(const char* path) {
  sqlite3* database = nullptr;
  if (sqlite3_open(path, &database) != SQLITE_OK) throw std::runtime_error("cannot open it");
  Database opened(database, sqlite3_close);
  // The other end writes, too.
  sqlite3_busy_timeout(database, 60'000);
  return opened;
}

void execute(sqlite3* database, const std::string& statement) {
  char* why = nullptr;
  if (sqlite3_exec(database, statement.c_str(), nullptr, nullptr, &why) == SQLITE_OK) return;
  const std::string text = why == nullptr ? "no memory" : why;
  sqlite3_free(why);
  throw std::runtime_error(statement + ": " + text);
}

void write(const char* path, const std::stop_token& stop) {
  const auto database = open(path);
  const auto outbox = penstock::outbox::sqlite(database.get());
  outbox->create_schema();
  execute(database.get(), "CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY)");
  const auto probe = penstock::remote_task<Json(Json)>("probe", {.queue = "outboxed"});
  std::cout << "ready" << std::endl;
  std::mutex mutex;
  std::condition_variable_any never;
  for (std::unique_lock lock(mutex); !stop.stop_requested();) {
    execute(database.get(), "BEGIN IMMEDIATE");
    execute(database.get(), "INSERT INTO orders DEFAULT VALUES");
    const auto number = sqlite3_last_insert_rowid(database.get());
    penstock::outbox::enqueue(
        *outbox, probe, Json{{"value", number}, {"label", "order-" + std::to_string(number)}});
    execute(database.get(), "COMMIT");
    (void)never.wait_for(lock, stop, kPause, [] { return false; });
  }
}

int drain(const char* path, const char* url, const std::stop_token& stop) {
  const auto database = open(path);
  const auto outbox = penstock::outbox::sqlite(database.get());
  outbox->create_schema();
  std::cout << "ready" << std::endl;
  try {
    auto app = penstock::App::connect(url);
    penstock::outbox::Drainer(app, *outbox).run(stop);
  } catch (const penstock::Closed&) {
    return kServerGone;
  } catch (const penstock::Timeout&) {
    return kServerGone;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  if (!(verb == "write" && argc == 3) && !(verb == "drain" && argc == 4)) {
    std::cerr << "work_outbox write DATABASE | work_outbox drain DATABASE URL\n";
    return 2;
  }
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);  // before there are threads
  std::stop_source stop;
  int code = 0;
  std::thread work([&] {
    try {
      if (verb == "write")
        write(argv[2], stop.get_token());
      else
        code = drain(argv[2], argv[3], stop.get_token());
    } catch (const std::exception& error) {
      std::cerr << "work_outbox " << verb << ": " << error.what() << "\n";
      code = 1;
    }
    ::kill(::getpid(), SIGTERM);  // it ends as if it had been told to
  });
  int which = 0;
  sigwait(&ends, &which);
  stop.request_stop();
  work.join();
  return code;
}
