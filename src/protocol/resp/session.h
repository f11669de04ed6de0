// One connection's conversation in RESP: commands in, answers out in the order of the commands.
//
// The commands themselves are free functions (connection.cc, queues.cc, messages.cc, leases.cc,
// tasks.cc, status.cc), found through command_table.h; this is what they stand on.
//
// Threads:  the broker's.
// Lifetime: broker, service and host outlive it; its end gives its leases back.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/headers.h"
#include "broker/broker.h"
#include "protocol/conversation.h"
#include "protocol/resp/reply_queue.h"
#include "protocol/resp/service.h"
#include "wire/resp/command_parser.h"
#include "wire/resp/reply_writer.h"

namespace penstock::protocol::resp {

// A command's words, its name first. They live during the handler's call.
using Args = std::span<const std::string_view>;

class Session final : public Conversation, public broker::ReplySink {
 public:
  Session(Service& service, Host& host);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // ---- Conversation
  [[nodiscard]] std::size_t receive(ByteView input) override;
  [[nodiscard]] ByteView output() const override { return replies_.output(); }
  [[nodiscard]] std::size_t output_memory() const override { return replies_.memory_bytes(); }
  void trim_output() override { replies_.trim_output(); }
  void sent(std::size_t count) override;
  [[nodiscard]] bool wants_input() const override;
  [[nodiscard]] bool finished() const override { return closing_ && replies_.unanswered() == 0; }
  void on_end_of_input() override { close_after_answers(); }
  void on_time(Time) override {}
  void drain() override { close_after_answers(); }

  // ---- ReplySink
  void on_reply(broker::Tag tag, const broker::Reply& reply) override;
  [[nodiscard]] bool wants_more(broker::Tag tag) override;
  void on_ended(std::string_view) override { close_after_answers(); }

  // ---- for the commands: each answers once, by answer() or by ask()
  // `write` is called with a ReplyWriter, now.
  template <class Write>
  void answer(Write write) {
    if (std::string* out = replies_.direct()) {
      write(writer(*out));
      return;
    }
    const auto tag = replies_.open();
    write(writer(replies_.buffer(tag)));
    replies_.finish(tag);
  }
  void answer_ok() {
    answer([](wire::resp::ReplyWriter to) { to.ok(); });
  }
  void answer_error(std::string_view text);
  // `write` is called now; what it wrote goes out when all that was decided so far is durable.
  template <class Write>
  void answer_when_durable(Write write) {
    const auto tag = ask(nullptr);
    write(writer(replies_.find(tag)->prepared));
    broker().barrier(id(), tag);
  }
  // A place for the answer that the broker will give; `encode` makes its bytes. The tag goes along
  // with the command to the broker, `parts` times.
  [[nodiscard]] broker::Tag ask(Encode encode, std::uint32_t parts = 1);
  // The same for one that may wait, and whose wait release_waits() can end.
  [[nodiscard]] broker::Tag ask_take(Encode encode);
  [[nodiscard]] broker::Tag ask_task(Encode encode, MessageId task);

  // ---- login.cc
  // Checks the password, and answers with `welcome` when it is right.
  using Welcome = std::function<void(Session&, std::string& out)>;
  [[nodiscard]] Result<void> log_in(std::string_view user, std::string_view password,
                                    Welcome welcome);
  void log_out();
  // Whether somebody is logged in, or need not be.
  [[nodiscard]] bool may_speak() { return !user.empty() || !broker().has_users(); }
  std::string user;  // who is logged in; empty: nobody

  // Ends all waits of this connection: they answer what they have.
  std::size_t release_waits();
  // Takes no further command, ends the waits, and is finished() when all is answered.
  void close_after_answers();

  [[nodiscard]] broker::Broker& broker() { return service_.broker_; }
  [[nodiscard]] SessionId id() const { return session_; }
  [[nodiscard]] Service& service() { return service_; }
  [[nodiscard]] const Settings& settings() const { return service_.settings_; }
  [[nodiscard]] Time started() const { return service_.started_; }
  [[nodiscard]] std::span<Session* const> sessions() const { return service_.sessions_; }

  // What a client says about itself, and what CLIENT LIST shows of it.
  struct Identity {
    std::uint64_t client_id = 0;
    std::string name;
    std::string library;
    std::string library_version;
    Time connected_at{};
    std::string_view last_command = "NULL";  // of the command table
    std::uint64_t commands = 0;
  };
  Identity identity;
  wire::resp::Version version = wire::resp::Version::resp2;
  [[nodiscard]] const Host& host() const { return host_; }
  [[nodiscard]] std::size_t unanswered() const { return replies_.unanswered(); }

  // Memory that commands use during their call, kept so that the next need not take it anew.
  struct Scratch {
    std::vector<engine::LeaseToken> leases;
    std::vector<engine::MessageInput> messages;
    HeaderWriter headers;
    std::string text;
    std::string keys;
  };
  // Empty, but with room.
  [[nodiscard]] Scratch& scratch();

 private:
  void execute(Args args);
  void on_proof(broker::Tag tag, const std::string& name, Proof proof, const Welcome& welcome);
  [[nodiscard]] wire::resp::ReplyWriter writer(std::string& out) const {
    return wire::resp::ReplyWriter(out, version);
  }

  Service& service_;
  Host& host_;
  SessionId session_;
  wire::resp::CommandParser parser_;
  ReplyQueue replies_;
  Scratch scratch_;
  bool closing_ = false;
  bool put_off_ = false;                      // a reply, until the peer reads
  std::unique_ptr<Passwords::Ticket> login_;  // while a password is checked
  unsigned refused_logins_ = 0;
};

}  // namespace penstock::protocol::resp
