#include <libpq-fe.h>

#include "penstock/outbox.hpp"

namespace penstock::outbox {
namespace {

constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS penstock_outbox ("
    " seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " id text NOT NULL UNIQUE DEFAULT replace(gen_random_uuid()::text, '-', ''),"
    " task text NOT NULL, queue text NOT NULL, payload text NOT NULL, options text NOT NULL,"
    " error text)";

class Answer {
 public:
  explicit Answer(PGresult* result) : result_(result) {}
  ~Answer() { PQclear(result_); }
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;

  [[nodiscard]] int rows() const { return PQntuples(result_); }
  [[nodiscard]] std::string text(int row, int column) const {
    return {PQgetvalue(result_, row, column),
            static_cast<std::size_t>(PQgetlength(result_, row, column))};
  }

 private:
  PGresult* result_;
};

class PostgresTable final : public Table {
 public:
  explicit PostgresTable(PGconn* connection) : connection_(connection) {}

  void create_schema() override { Answer answer(run(kSchema, {})); }
  std::string insert(const Row& row) override {
    const Answer answer(
        run("INSERT INTO penstock_outbox (task, queue, payload, options)"
            " VALUES ($1, $2, $3, $4) RETURNING id",
            {row.task, row.queue, row.payload, row.options}));
    return answer.text(0, 0);
  }
  std::vector<Row> oldest(std::size_t max) override {
    if (PQtransactionStatus(connection_) != PQTRANS_IDLE &&
        PQtransactionStatus(connection_) != PQTRANS_UNKNOWN)
      throw Conflict("outbox: a transaction is open on the drainer's connection",
                     "give the drainer a connection of its own");
    const Answer answer(
        run("SELECT id, task, queue, payload, options FROM penstock_outbox"
            " WHERE error IS NULL ORDER BY seq LIMIT $1::bigint",
            {std::to_string(max)}));
    std::vector<Row> rows;
    for (int n = 0; n < answer.rows(); ++n)
      rows.push_back({answer.text(n, 0), answer.text(n, 1), answer.text(n, 2), answer.text(n, 3),
                      answer.text(n, 4)});
    return rows;
  }
  void remove(const std::string& id) override {
    Answer answer(run("DELETE FROM penstock_outbox WHERE id = $1", {id}));
  }
  void set_aside(const std::string& id, std::string_view error) override {
    Answer answer(
        run("UPDATE penstock_outbox SET error = $1 WHERE id = $2", {std::string(error), id}));
  }

 private:
  // To be cleared by an Answer. Throws StorageError.
  [[nodiscard]] PGresult* run(const char* sql, const std::vector<std::string>& parameters) {
    std::vector<const char*> values;
    for (const auto& parameter : parameters) values.push_back(parameter.c_str());
    PGresult* result = PQexecParams(connection_, sql, static_cast<int>(values.size()), nullptr,
                                    values.data(), nullptr, nullptr, 0);
    const auto status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return result;
    PQclear(result);
    throw StorageError(std::string("outbox: PostgreSQL: ") + PQerrorMessage(connection_));
  }

  PGconn* connection_;
};

}  // namespace

std::unique_ptr<Table> postgres(pg_conn* connection) {
  return std::make_unique<PostgresTable>(connection);
}

}  // namespace penstock::outbox
