// Enqueueing as a part of your own database transaction: the task is written to a table beside your
// data, and a drainer publishes it once the transaction is committed. Either both happen or
// neither.
//
//   auto outbox = penstock::outbox::sqlite(db);               // or postgres(connection)
//   outbox->create_schema();
//   exec(db, "BEGIN");
//   exec(db, "INSERT INTO orders ...");
//   penstock::outbox::enqueue(*outbox, send_receipt, order);  // no network, no file of Penstock's
//   exec(db, "COMMIT");
//
//   penstock::outbox::Drainer drainer(app, *of_another_connection);
//   drainer.drain();                                          // elsewhere, again and again
//
// Link penstock::outbox_sqlite or penstock::outbox_postgres before penstock::penstock.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "penstock/app.hpp"

struct sqlite3;
struct pg_conn;

namespace penstock::outbox {

// One task that waits for the drainer.
struct Row {
  std::string id = {};  // 32 hexadecimal digits, chosen by the database; no other row's, ever
  std::string task = {};
  std::string queue = {};
  std::string payload = {};  // {"args":[...]}
  std::string options = {};  // JSON
};

// The table `penstock_outbox` of one database connection, which is yours and outlives this.
// Threads: those of the connection. Throws StorageError, with what the database says.
class Table {
 public:
  virtual ~Table() = default;
  // Makes the table when it is not there.
  virtual void create_schema() = 0;
  // In the transaction that is open, if one is. The row's id.
  virtual std::string insert(const Row& row) = 0;
  // The oldest that are committed and not set aside. Throws Conflict inside of a transaction: what
  // is seen there may yet be taken back.
  [[nodiscard]] virtual std::vector<Row> oldest(std::size_t max) = 0;
  virtual void remove(const std::string& id) = 0;
  // A row that can never be published: kept, with the reason in its column `error`, for a person.
  virtual void set_aside(const std::string& id, std::string_view error) = 0;
};

[[nodiscard]] std::unique_ptr<Table> sqlite(sqlite3* connection);
[[nodiscard]] std::unique_ptr<Table> postgres(pg_conn* connection);  // a PGconn of libpq

namespace detail {
[[nodiscard]] std::string insert(Table& table, const penstock::detail::TaskDefinition& task,
                                 const EnqueueOptions& options, std::string payload);
}

// Writes the task into the table; returns the row's id, which becomes the task's idempotency key.
// EnqueueOptions::key and patience are not looked at, and a delay begins when the drainer
// publishes. Throws InvalidInput (an argument that cannot travel), StorageError.
template <class R, class... Args, class... Given>
std::string enqueue(Table& table, const Call<R(Args...)>& call, Given&&... given) {
  std::string payload;
  Task<R(Args...)>::write_payload(payload, std::forward<Given>(given)...);
  return detail::insert(table, *call.task.definition(), call.options, std::move(payload));
}
template <class R, class... Args, class... Given>
std::string enqueue(Table& table, const Task<R(Args...)>& task, Given&&... given) {
  return enqueue(table, Call<R(Args...)>{task, {}}, std::forward<Given>(given)...);
}

struct DrainOptions {
  // Declared for every queue that is published to: a row that was published and not yet deleted
  // when the drainer died is published again with the same key, which must be known then. So it is
  // how long a drainer may be away. 0 leaves the queues as they are.
  Duration dedup_window = std::chrono::hours(24 * 7);
  Duration every = std::chrono::milliseconds(100);  // run() looks so often when there is nothing
};

// Publishes each row with its id as the key and deletes it after the OK: once, whatever dies when.
// Several drainers of one table do no harm, and no good. Threads: one.
class Drainer {
 public:
  Drainer(App& app, Table& table, const DrainOptions& options = {});
  // Of at most `max` rows, in order. How many were published. Throws what App::enqueue() throws
  // after a second of patience (the row stays), but InvalidInput, for which the row is set aside;
  // StorageError.
  std::size_t drain(std::size_t max = 1000);
  // Drains until `stop`. Goes on through 30 s of a queue that refuses or a server that is away;
  // what is thrown then, or else, ends it.
  void run(const std::stop_token& stop);

 private:
  void publish(const Row& row);

  App& app_;
  Table& table_;
  const DrainOptions options_;
  std::set<std::string> declared_;  // queues; forgotten when there are very many
};

}  // namespace penstock::outbox
