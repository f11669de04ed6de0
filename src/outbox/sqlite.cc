#include <sqlite3.h>

#include "penstock/outbox.hpp"

namespace penstock::outbox {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS penstock_outbox ("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    " id TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(16)))),"
    " task TEXT NOT NULL, queue TEXT NOT NULL, payload TEXT NOT NULL, options TEXT NOT NULL,"
    " error TEXT)";

// Prepared, bound, stepped through, finalised.
class Statement {
 public:
  Statement(sqlite3* db, std::string_view sql) : db_(db) {
    if (sqlite3_prepare_v2(db, sql.data(), static_cast<int>(sql.size()), &statement_, nullptr) !=
        SQLITE_OK)
      fail();
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // From 1. `text` outlives the statement.
  Statement& bind(int at, std::string_view text) {
    if (sqlite3_bind_text64(statement_, at, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8) !=
        SQLITE_OK)
      fail();
    return *this;
  }
  Statement& bind(int at, std::int64_t number) {
    if (sqlite3_bind_int64(statement_, at, number) != SQLITE_OK) fail();
    return *this;
  }
  // True: there is a row.
  bool step() {
    const int code = sqlite3_step(statement_);
    if (code != SQLITE_ROW && code != SQLITE_DONE) fail();
    return code == SQLITE_ROW;
  }
  [[nodiscard]] std::string text(int column) const {
    const auto* begin = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    if (begin == nullptr) return {};
    return {begin, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }

 private:
  [[noreturn]] void fail() {
    throw StorageError(std::string("outbox: SQLite: ") + sqlite3_errmsg(db_));
  }

  sqlite3* db_;
  sqlite3_stmt* statement_ = nullptr;
};

class SqliteTable final : public Table {
 public:
  explicit SqliteTable(sqlite3* db) : db_(db) {}

  void create_schema() override { Statement(db_, kSchema).step(); }
  std::string insert(const Row& row) override {
    Statement insert(db_,
                     "INSERT INTO penstock_outbox (task, queue, payload, options)"
                     " VALUES (?, ?, ?, ?) RETURNING id");
    insert.bind(1, row.task).bind(2, row.queue).bind(3, row.payload).bind(4, row.options).step();
    std::string id = insert.text(0);
    while (insert.step()) {
    }
    return id;
  }
  std::vector<Row> oldest(std::size_t max) override {
    if (sqlite3_get_autocommit(db_) == 0)
      throw Conflict("outbox: a transaction is open on the drainer's connection",
                     "give the drainer a connection of its own");
    Statement select(db_,
                     "SELECT id, task, queue, payload, options FROM penstock_outbox"
                     " WHERE error IS NULL ORDER BY seq LIMIT ?");
    select.bind(1, static_cast<std::int64_t>(max));
    std::vector<Row> rows;
    while (select.step())
      rows.push_back(
          {select.text(0), select.text(1), select.text(2), select.text(3), select.text(4)});
    return rows;
  }
  void remove(const std::string& id) override {
    Statement(db_, "DELETE FROM penstock_outbox WHERE id = ?").bind(1, id).step();
  }
  void set_aside(const std::string& id, std::string_view error) override {
    Statement(db_, "UPDATE penstock_outbox SET error = ? WHERE id = ?")
        .bind(1, error)
        .bind(2, id)
        .step();
  }

 private:
  sqlite3* db_;
};

}  // namespace

std::unique_ptr<Table> sqlite(sqlite3* connection) {
  return std::make_unique<SqliteTable>(connection);
}

}  // namespace penstock::outbox
