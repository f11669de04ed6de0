// beanstalkd: reserve takes one job, delete settles it. Any number of commands may be on their way.
#include "bench/peers/load/dialect.h"

namespace penstock::peers {
namespace {

class Beanstalk final : public Dialect {
 public:
  explicit Beanstalk(std::string queue) : queue_(std::move(queue)) {}

  Ask hello(std::string& out) override {
    out += "use " + queue_ + "\r\nwatch " + queue_ + "\r\nignore default\r\n";
    return {.kind = Kind::hello, .answers = 3};
  }
  Ask publish(std::string& out, unsigned messages) override {
    for (unsigned n = 0; n < messages; ++n) {
      out += "put 0 0 60 1024\r\n";
      append_body(out);
      out += "\r\n";
    }
    return {.kind = Kind::publish, .messages = messages, .answers = messages};
  }
  Ask take(std::string& out, unsigned most, bool wait) override {
    for (unsigned n = 0; n < most; ++n)
      out += wait ? "reserve-with-timeout 10\r\n" : "reserve-with-timeout 0\r\n";
    return {.kind = Kind::take, .messages = most, .answers = most};
  }
  Ask settle(std::string& out, std::span<const std::string> taken) override {
    for (const auto& id : taken) out += "delete " + id + "\r\n";
    const auto count = static_cast<unsigned>(taken.size());
    return {.kind = Kind::settle, .messages = count, .answers = count};
  }

  Answer read(std::string_view in, std::deque<Ask>& asks, std::string&) override {
    const auto end = in.find("\r\n");
    if (end == std::string_view::npos) return {};
    const auto line = in.substr(0, end);
    auto& ask = asks.front();
    Answer answer{.consumed = end + 2};
    const auto is = [&](std::string_view word) { return line.starts_with(word); };
    if (ask.kind == Kind::take && is("RESERVED ")) {
      const auto id = line.substr(9, line.rfind(' ') - 9);
      answer.consumed += std::stoul(std::string(line.substr(line.rfind(' ')))) + 2;
      if (in.size() < answer.consumed) return {};
      ask.taken.emplace_back(id);
    } else if (!(ask.kind == Kind::hello && (is("USING") || is("WATCHING"))) &&
               !(ask.kind == Kind::publish && is("INSERTED")) &&
               !(ask.kind == Kind::settle && is("DELETED")) &&
               !(ask.kind == Kind::take && is("TIMED_OUT"))) {
      answer.refused = line;
    }
    --ask.answers;
    return answer;
  }

 private:
  std::string queue_;
};

}  // namespace

std::unique_ptr<Dialect> make_beanstalk(const std::string& queue) {
  return std::make_unique<Beanstalk>(queue);
}

}  // namespace penstock::peers
