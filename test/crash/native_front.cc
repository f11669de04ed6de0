// Over the native protocol, through the client library.
#include <fmt/format.h>

#include "client/api.h"
#include "test/crash/front.h"

namespace penstock::crash {
namespace {

using std::chrono::milliseconds;

class NativeFront : public Front {
 public:
  NativeFront(std::uint16_t port, Lives& lives)
      : lives_(lives), url_(fmt::format("penstock://127.0.0.1:{}", port)) {
    connect();
  }

  [[nodiscard]] std::size_t largest_batch(bool) const override { return 50; }

  [[nodiscard]] Answer publish(const Offer& offer) override {
    if (client_ == nullptr) return {};
    client::TaskOptions options;
    options.queue = kTasks;
    options.delay = offer.delay;
    options.priority = static_cast<std::uint8_t>(offer.priority);
    options.key = offer.key;
    options.result_ttl = std::chrono::hours(1);
    std::vector<std::string> texts = offer.bodies;
    if (offer.task)
      for (auto& text : texts) text = arguments_of(text);
    if (texts.size() == 1)
      return read(client_->call(offer.task ? client::submit("work", texts[0], {}, options)
                                           : client::send(kMessages, texts[0], options)));
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    return read(client_->call(offer.task ? client::submit_many("work", views, options)
                                         : client::send_many(kMessages, views, options)));
  }

  [[nodiscard]] Haul take(bool task, std::uint32_t max, milliseconds wait) override {
    if (client_ == nullptr) return {};
    const client::TakeOptions options{.max = max, .wait = wait};
    Haul haul{Outcome::yes};
    if (task) {
      const std::vector<std::string> queues{std::string(kTasks)};
      auto tasks = client_->call_waiting(client::take_tasks(queues, options));
      if (!tasks) return broken(tasks.error());
      for (auto& one : *tasks)
        haul.taken.push_back({one.id.value, std::move(one.lease), body_in(one.payload)});
    } else {
      auto messages = client_->call_waiting(client::receive(kMessages, options));
      if (!messages) return broken(messages.error());
      for (auto& one : *messages)
        haul.taken.push_back({one.id.value, std::move(one.lease), std::move(one.body)});
    }
    return haul;
  }

  [[nodiscard]] std::size_t largest_ack() const override { return 100; }
  [[nodiscard]] Answer ack(const std::vector<std::string_view>& leases) override {
    return settled(client_->call(client::ack(leases)), leases.size());
  }
  [[nodiscard]] Answer done(std::string_view lease, std::string_view result) override {
    return settled(client_->call(client::done(lease, result)), 1);
  }
  [[nodiscard]] Answer retry(bool task, std::string_view lease, milliseconds delay) override {
    return settled(client_->call(task ? client::fail_task(lease, "Again: please", true, delay)
                                      : client::nack(lease, delay)),
                   1);
  }

  void recover() override {
    if (client_ == nullptr) {
      lives_.wait_for_other_than(life_);
      connect();
    } else {
      client_->wait_until_connected(std::chrono::seconds(1));
    }
  }

 private:
  void connect() {
    life_ = lives_.current();
    client::Options options;
    options.url = url_;
    options.reconnect = {.base = milliseconds(5), .cap = milliseconds(50)};
    if (auto client = client::Client::connect(options)) client_ = std::move(*client);
  }

  static Answer failed(const client::Failure& failure) {
    switch (failure.error.code) {
      case ErrorCode::closed:
      case ErrorCode::timeout:
        return {Outcome::unknown};
      case ErrorCode::busy:
      case ErrorCode::conflict:
        return {Outcome::no, {}, {}, failure.error.message};
      default:
        return {Outcome::no, {}, "the native protocol answered: " + failure.error.message};
    }
  }
  static Haul broken(const client::Failure& failure) {
    auto answer = failed(failure);
    return {answer.outcome, {}, std::move(answer.trouble)};
  }
  static Answer read(const client::Answer<MessageId>& id) {
    return id ? Answer{Outcome::yes, {id->value}} : failed(id.error());
  }
  static Answer read(const client::Answer<std::vector<MessageId>>& ids) {
    if (!ids) return failed(ids.error());
    Answer answer{Outcome::yes};
    for (const auto id : *ids) answer.ids.push_back(id.value);
    return answer;
  }
  static Answer settled(const client::Answer<std::uint64_t>& count, std::size_t asked) {
    if (!count) return failed(count.error());
    return {*count == asked ? Outcome::yes : Outcome::no};
  }

  Lives& lives_;
  std::string url_;
  std::uint64_t life_ = 0;
  std::unique_ptr<client::Client> client_;
};

}  // namespace

std::unique_ptr<Front> native_front(std::uint16_t port, Lives& lives) {
  return std::make_unique<NativeFront>(port, lives);
}

}  // namespace penstock::crash
