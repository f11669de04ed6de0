// The simplest conversation: says every line again. "wait" is answered when released, "quit" ends.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "protocol/conversation.h"

namespace penstock::testing {

class Echo;

// What the tests may see and do of all echo conversations; touched on the loop's thread only.
struct EchoRoom {
  std::size_t max_output = 64u << 10;
  std::size_t max_line = 1u << 20;
  Duration reminder{0};       // says "tick" after so long, once
  bool keeps_halves = false;  // takes half lines in, as a parser of its own would
  std::set<Echo*> here;
  std::vector<Echo*> sent_by;  // what they said went out in this order
};

class Echo final : public protocol::Conversation {
 public:
  Echo(EchoRoom& room, protocol::Host& host, Time now) : room_(room), host_(host) {
    room_.here.insert(this);
    if (room_.reminder.count() != 0) host_.wake_at(now + room_.reminder);
  }
  ~Echo() override { room_.here.erase(this); }

  std::size_t receive(ByteView input) override {
    std::size_t taken = 0;
    while (wants_input()) {
      const std::string_view rest = as_text(input.subspan(taken));
      const std::size_t end = rest.find('\n');
      if (end == std::string_view::npos) {
        if (!room_.keeps_halves) break;
        half_ += rest;
        return input.size();
      }
      taken += end + 1;
      line(half_.append(rest.substr(0, end)));
      half_ = std::string();
    }
    return taken;
  }
  ByteView output() const override { return as_bytes(output_).subspan(sent_); }
  void sent(std::size_t count) override {
    room_.sent_by.push_back(this);
    sent_ += count;
    if (sent_ == output_.size()) {
      output_.clear();
      sent_ = 0;
    }
  }
  bool wants_input() const override {
    return !ending_ && output_.size() - sent_ < room_.max_output;
  }
  bool finished() const override { return ending_ && waiting_ == 0; }
  std::size_t held_bytes() const override { return half_.empty() ? 0 : half_.capacity(); }
  void on_end_of_input() override {
    output_ += "bye\n";
    ending_ = true;
  }
  void on_time(Time) override { output_ += "tick\n"; }
  void drain() override { ending_ = true; }

  void release() {
    for (; waiting_ > 0; --waiting_) output_ += "released\n";
    host_.wake();
  }
  [[nodiscard]] bool waits() const { return waiting_ > 0; }
  protocol::Host& host() { return host_; }

 private:
  void line(std::string_view text) {
    if (text == "quit") {
      ending_ = true;
    } else if (text == "wait") {
      ++waiting_;
    } else {
      output_.append(text) += '\n';
    }
  }

  EchoRoom& room_;
  protocol::Host& host_;
  std::string half_;
  std::string output_;
  std::size_t sent_ = 0;
  int waiting_ = 0;
  bool ending_ = false;
};

}  // namespace penstock::testing
