#include "wire/amqp/method.h"

#include <gtest/gtest.h>

#include <list>
#include <set>
#include <string>
#include <vector>

#include "base/text.h"
#include "wire/amqp/table_writer.h"

namespace penstock::wire::amqp {
namespace {

// Gives each field a value that no other field of the method has.
class Filler {
 public:
  Filler() { TableWriter(table_).add("x-max-length", 7).add("x-queue-type", "quorum"); }

  void operator()(bool& field) { field = ++number_ % 2 == 1; }
  template <std::integral T>
  void operator()(T& field) {
    field = static_cast<T>(0x0102030405060708 + ++number_);
  }
  void operator()(ReplyCode& field) { field = ReplyCode::not_found; }
  void operator()(std::string_view& field) {
    field = texts_.emplace_back("text " + std::to_string(++number_));
  }
  void operator()(LongString& field) {
    field = texts_.emplace_back(std::string(300, static_cast<char>('a' + ++number_)));
  }
  void operator()(TableView& field) { field = TableView::trusted(as_bytes(table_)); }

 private:
  int number_ = 0;
  std::list<std::string> texts_;
  std::string table_;
};

template <class Visit>
void for_each_method(Visit visit) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (visit(std::variant_alternative_t<I, Method>{}), ...);
  }
  (std::make_index_sequence<std::variant_size_v<Method>>());
}

TEST(AmqpMethod, EveryOneIsReadBackAsItWasWritten) {
  std::set<MethodId> seen;
  for_each_method([&](auto method) {
    Filler fill;
    std::apply([&](auto&... field) { (fill(field), ...); }, method.fields());
    std::string out;
    encode_method(out, 513, method);
    const auto read = read_frame(as_bytes(out), 0);
    ASSERT_EQ(read.status, ReadFrame::Status::frame) << method.kName;
    EXPECT_EQ(read.consumed, out.size());
    EXPECT_EQ(read.frame.type, FrameType::method);
    EXPECT_EQ(read.frame.channel, 513);
    const auto decoded = decode_method(read.frame.payload);
    ASSERT_TRUE(decoded.has_value()) << decoded.error().text;
    EXPECT_TRUE(*decoded == Method(method)) << method.kName;
    EXPECT_EQ(method_name(read_method_id(read.frame.payload).value()), method.kName);
    std::string again;
    encode_method(again, 513, *decoded);
    EXPECT_EQ(again, out);
    EXPECT_TRUE(seen.insert(kMethodId<decltype(method)>).second) << method.kName;
  });
  EXPECT_EQ(seen.size(), 66u);
}

}  // namespace
}  // namespace penstock::wire::amqp
