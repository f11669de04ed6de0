#include "wire/amqp/method.h"

#include <gtest/gtest.h>

#include <list>
#include <set>
#include <string>

#include "base/text.h"
#include "wire/amqp/table_writer.h"

namespace penstock::wire::amqp {
namespace {

using namespace std::string_view_literals;

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

template <class M>
std::string payload_of(const M& method) {
  std::string frame;
  encode_method(frame, 1, method);
  return frame.substr(kFrameHeadBytes, frame.size() - kFrameOverheadBytes);
}

template <class Visit>
void for_each_method(Visit visit) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (visit(std::variant_alternative_t<I, Method>{}), ...);
  }
  (std::make_index_sequence<std::variant_size_v<Method>>());
}

Failure refused(std::string_view payload) {
  const auto decoded = decode_method(as_bytes(payload));
  return decoded ? Failure{ReplyCode::success, "it was taken", {}} : decoded.error();
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

TEST(AmqpMethod, EveryOneIsRefusedWhenItIsCutShort) {
  for_each_method([&](auto method) {
    Filler fill;
    std::apply([&](auto&... field) { (fill(field), ...); }, method.fields());
    const auto payload = payload_of(method);
    for (std::size_t size = 0; size < payload.size(); ++size) {
      const auto failure = refused(std::string_view(payload).substr(0, size));
      EXPECT_EQ(failure.code, ReplyCode::syntax_error) << method.kName << " of " << size;
      if (size < 4) {
        EXPECT_EQ(failure.text, "a method frame is too short for a method");
        EXPECT_EQ(failure.method, MethodId{});
        continue;
      }
      EXPECT_TRUE(failure.text.starts_with(method.kName)) << failure.text;
      EXPECT_EQ(failure.method, kMethodId<decltype(method)>);
    }
  });
}

TEST(AmqpMethod, EveryOneIsRefusedWhenSomethingFollowsIt) {
  for_each_method([&](auto method) {
    const auto failure = refused(payload_of(method) + '\0');
    EXPECT_EQ(failure.code, ReplyCode::syntax_error);
    EXPECT_EQ(failure.text, std::string(method.kName) + ": something follows its fields");
    EXPECT_EQ(failure.method, kMethodId<decltype(method)>);
  });
}

// Written by hand from the specification, so that no mistake is made twice.
TEST(AmqpMethod, HasTheBytesOfTheSpecification) {
  std::string arguments;
  TableWriter(arguments).add("x-max-length", 7);
  const QueueDeclare declare{.queue = "q",
                             .durable = true,
                             .auto_delete = true,
                             .no_wait = true,
                             .arguments = TableView::trusted(as_bytes(arguments))};
  EXPECT_EQ(hex_encode(as_bytes(payload_of(declare))),
            "0032000a"
            "0000"
            "0171"
            "1a"  // passive is bit 0
            "00000012"
            "0c782d6d61782d6c656e677468"
            "4900000007");
  EXPECT_EQ(hex_encode(as_bytes(payload_of(BasicDeliver{.consumer_tag = "c",
                                                        .delivery_tag = 258,
                                                        .redelivered = true,
                                                        .exchange = "",
                                                        .routing_key = "rk"}))),
            "003c003c"
            "0163"
            "0000000000000102"
            "01"
            "00"
            "02726b");
  EXPECT_EQ(hex_encode(as_bytes(payload_of(ConnectionTune{2047, 131'072, 60}))),
            "000a001e"
            "07ff"
            "00020000"
            "003c");
  EXPECT_EQ(hex_encode(as_bytes(payload_of(ConnectionSecure{.challenge = LongString("ab")}))),
            "000a0014"
            "000000026162");
  EXPECT_EQ(hex_encode(as_bytes(payload_of(
                AccessRequest{.realm = "/", .exclusive = true, .active = true, .read = true}))),
            "001e000a"
            "012f"
            "15");
  EXPECT_EQ(hex_encode(as_bytes(payload_of(ExchangeUnbindOk{}))), "00280033");
  EXPECT_EQ(hex_encode(as_bytes(payload_of(QueueUnbindOk{}))), "00320033");
  EXPECT_EQ(hex_encode(as_bytes(payload_of(ConfirmSelect{.no_wait = true}))), "0055000a01");
}

TEST(AmqpMethod, ReadsFromAPublishWhatAClientPutThere) {
  const auto payload = "\x00\x3c\x00\x28\x00\x00\x06orders\x03key\x01"sv;
  const auto decoded = decode_method(as_bytes(payload));
  ASSERT_TRUE(decoded.has_value());
  const auto& publish = std::get<BasicPublish>(*decoded);
  EXPECT_EQ(publish.exchange, "orders");
  EXPECT_EQ(publish.routing_key, "key");
  EXPECT_TRUE(publish.mandatory);
  EXPECT_FALSE(publish.immediate);
  EXPECT_EQ(publish.exchange.data(), payload.data() + 7);  // nothing is copied
}

TEST(AmqpMethod, TakesAnyBitsThatStandForNoField) {
  const auto decoded = decode_method(as_bytes("\x00\x55\x00\x0a\xfe"sv));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_FALSE(std::get<ConfirmSelect>(*decoded).no_wait);
}

TEST(AmqpMethod, OfAnUnknownClassIsAnInvalidCommand) {
  for (const auto payload :
       {"\x00\x00\x00\x0a"sv, "\x00\x0b\x00\x0a"sv, "\x00\x46\x00\x0a"sv, "\xff\xff\xff\xff"sv}) {
    const auto failure = refused(payload);
    EXPECT_EQ(failure.code, ReplyCode::command_invalid);
    EXPECT_EQ(failure.method, read_method_id(as_bytes(payload)));
  }
  EXPECT_EQ(refused("\x00\x46\x00\x0a"sv).text, "there is no class 70");
}

TEST(AmqpMethod, ThatIsUnknownInItsClassIsNotImplemented) {
  for (const auto payload :
       {"\x00\x0a\x00\x00"sv, "\x00\x28\x00\x29"sv, "\x00\x3c\x00\x79"sv, "\x00\x5a\xff\xff"sv}) {
    const auto failure = refused(payload);
    EXPECT_EQ(failure.code, ReplyCode::not_implemented);
    EXPECT_EQ(failure.method, read_method_id(as_bytes(payload)));
    EXPECT_EQ(method_name(failure.method), "");
  }
  EXPECT_EQ(refused("\x00\x28\x00\x29"sv).text, "there is no method 41 of class 40");
}

TEST(AmqpMethod, WithAShortStringThatIsNoUtf8IsRefused) {
  auto payload = payload_of(BasicPublish{.exchange = "e", .routing_key = "key"});
  payload[payload.size() - 3] = '\xff';
  const auto failure = refused(payload);
  EXPECT_EQ(failure.code, ReplyCode::syntax_error);
  EXPECT_EQ(failure.text, "basic.publish: a short string is not UTF-8");
}

TEST(AmqpMethod, WithABadTableIsRefusedWithTheTablesReason) {
  const auto failure = refused("\x00\x32\x00\x0a\x00\x00\x01q\x00\x00\x00\x00\x03\x01kq"sv);
  EXPECT_EQ(failure.code, ReplyCode::syntax_error);
  EXPECT_EQ(failure.text, "queue.declare: a table has a value of an unknown type");
  EXPECT_EQ(failure.method, kMethodId<QueueDeclare>);
}

TEST(AmqpMethod, CutsWhatIsTooLongForAShortStringBetweenCharacters) {
  for (std::size_t shift = 0; shift < 4; ++shift) {
    std::string name(shift, 'x');
    while (name.size() < 300) name += "€";
    const auto payload = payload_of(BasicCancel{.consumer_tag = name});
    const auto decoded = decode_method(as_bytes(payload));
    ASSERT_TRUE(decoded.has_value()) << decoded.error().text;
    const auto tag = std::get<BasicCancel>(*decoded).consumer_tag;
    EXPECT_TRUE(name.starts_with(tag));
    EXPECT_GE(tag.size(), 253u);
  }
  // Bytes that are no text are cut, too.
  const std::string bytes(300, '\x80');
  const auto payload = payload_of(BasicCancel{.consumer_tag = bytes});
  EXPECT_LE(payload.size(), 4 + 1 + 255 + 1u);
}

}  // namespace
}  // namespace penstock::wire::amqp
