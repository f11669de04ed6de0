// Builds a field table, onto the end of a buffer that its caller owns:
//
//   std::string bytes;
//   TableWriter table(bytes);
//   table.add("x-queue-type", "quorum").add("x-delivery-limit", 20);
//   {
//     auto deaths = table.array("x-death");
//     auto death = deaths.table();
//     death.add("count", std::int64_t{1});
//   }
//   method.arguments = table.view();
//
// Threads:  one. Lifetime: the buffer outlives the writer; whoever opened a nested writer writes
//   nothing until it is gone, because its length becomes known then. Nothing is copied for that.
// Promise:  nothing given can break the framing: a name that is longer than a short string is cut.
//   How deep it nests is the caller's business; others take kTableDepthMax levels.
#pragma once

#include <string>

#include "wire/amqp/table.h"

namespace penstock::wire::amqp {

class ArrayWriter;

class TableWriter {
 public:
  explicit TableWriter(std::string& out) : out_(out), begin_(out.size()) {}
  ~TableWriter() {
    if (nested_) Writer(out_).close_length(begin_);
  }
  TableWriter(const TableWriter&) = delete;
  TableWriter& operator=(const TableWriter&) = delete;

  TableWriter& add(std::string_view name, const Value& value);
  // As on the wire: of the same type, even one that has two letters.
  TableWriter& copy(const Field& field);
  TableWriter& copy(const TableView& fields);
  [[nodiscard]] TableWriter table(std::string_view name);
  [[nodiscard]] ArrayWriter array(std::string_view name);
  // What was written so far, until the buffer changes.
  [[nodiscard]] TableView view() const {
    return TableView::trusted(as_bytes(out_).subspan(begin_));
  }

 private:
  friend class ArrayWriter;
  struct Nested {};
  TableWriter(std::string& out, Nested)
      : out_(out), begin_(Writer(out).open_length()), nested_(true) {}

  std::string& out_;
  std::size_t begin_;
  bool nested_ = false;
};

// Always a part of a table.
class ArrayWriter {
 public:
  ~ArrayWriter() { Writer(out_).close_length(begin_); }
  ArrayWriter(const ArrayWriter&) = delete;
  ArrayWriter& operator=(const ArrayWriter&) = delete;

  ArrayWriter& add(const Value& value);
  [[nodiscard]] TableWriter table();
  [[nodiscard]] ArrayWriter array();

 private:
  friend class TableWriter;
  explicit ArrayWriter(std::string& out) : out_(out), begin_(Writer(out).open_length()) {}

  std::string& out_;
  std::size_t begin_;
};

}  // namespace penstock::wire::amqp
