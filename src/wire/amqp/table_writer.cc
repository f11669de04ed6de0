#include "wire/amqp/table_writer.h"

namespace penstock::wire::amqp {
namespace {

// The type's letter and the value.
struct ValueWriter {
  Writer out;

  void operator()(Void) { out.number('V'); }
  void operator()(bool value) { out.number('t').number(static_cast<std::uint8_t>(value)); }
  void operator()(std::int8_t value) { out.number('b').number(value); }
  void operator()(std::uint8_t value) { out.number('B').number(value); }
  void operator()(std::int16_t value) { out.number('s').number(value); }
  void operator()(std::uint16_t value) { out.number('u').number(value); }
  void operator()(std::int32_t value) { out.number('I').number(value); }
  void operator()(std::uint32_t value) { out.number('i').number(value); }
  void operator()(std::int64_t value) { out.number('l').number(value); }
  void operator()(float value) { out.number('f').number(std::bit_cast<std::uint32_t>(value)); }
  void operator()(double value) { out.number('d').number(std::bit_cast<std::uint64_t>(value)); }
  void operator()(Decimal value) { out.number('D').number(value.scale).number(value.value); }
  void operator()(std::string_view value) { out.number('S').long_bytes(as_bytes(value)); }
  void operator()(Binary value) { out.number('x').long_bytes(value.bytes); }
  void operator()(Timestamp value) { out.number('T').number(value.seconds); }
  void operator()(TableView value) { out.number('F').long_bytes(value.bytes()); }
  void operator()(ArrayView value) { out.number('A').long_bytes(value.bytes()); }
};

}  // namespace

TableWriter& TableWriter::add(std::string_view name, const Value& value) {
  Writer(out_).short_string(name);
  std::visit(ValueWriter{Writer(out_)}, value);
  return *this;
}

TableWriter& TableWriter::copy(const Field& field) {
  Writer(out_).bytes(field.raw);
  return *this;
}

TableWriter& TableWriter::copy(const TableView& fields) {
  Writer(out_).bytes(fields.bytes());
  return *this;
}

TableWriter TableWriter::table(std::string_view name) {
  Writer(out_).short_string(name).number('F');
  return {out_, Nested{}};
}

ArrayWriter TableWriter::array(std::string_view name) {
  Writer(out_).short_string(name).number('A');
  return ArrayWriter(out_);
}

ArrayWriter& ArrayWriter::add(const Value& value) {
  std::visit(ValueWriter{Writer(out_)}, value);
  return *this;
}

TableWriter ArrayWriter::table() {
  Writer(out_).number('F');
  return {out_, TableWriter::Nested{}};
}

ArrayWriter ArrayWriter::array() {
  Writer(out_).number('A');
  return ArrayWriter(out_);
}

}  // namespace penstock::wire::amqp
