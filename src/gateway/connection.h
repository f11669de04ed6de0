// One socket and its conversation: reads while the conversation wants input, writes what it has to
// say.
//
// Threads:  the loop's.
// Lifetime: owned by the gateway, which destroys it after serve() when it is dead(); `hall`
// outlives it. Turns:    events only read and remember; writing, closing and arming happen in
// serve(), once a turn. Memory:   idle, it holds no buffer. Input that the conversation did not
// take is kept in `held_`,
//           under the gateway's budget; output stays with the conversation, which bounds it.
#pragma once

#include <boost/intrusive/list.hpp>
#include <memory>
#include <string>

#include "gateway/deadlines.h"
#include "gateway/input_budget.h"
#include "gateway/options.h"
#include "gateway/protocol_table.h"
#include "net/stream.h"
#include "net/tls.h"
#include "protocol/conversation.h"

namespace penstock::gateway {

class Connection;
using ListHook = boost::intrusive::link_mode<boost::intrusive::auto_unlink>;
struct ReadyTag;
struct StarvedTag;
struct HoldingTag;
struct StuckTag;
using ReadyHook = boost::intrusive::list_base_hook<boost::intrusive::tag<ReadyTag>, ListHook>;
using StarvedHook = boost::intrusive::list_base_hook<boost::intrusive::tag<StarvedTag>, ListHook>;
using HoldingHook = boost::intrusive::list_base_hook<boost::intrusive::tag<HoldingTag>, ListHook>;
using StuckHook = boost::intrusive::list_base_hook<boost::intrusive::tag<StuckTag>, ListHook>;

// What the connections of a gateway share.
struct Hall {
  template <class Hook>
  using List = boost::intrusive::list<Connection, boost::intrusive::base_hook<Hook>,
                                      boost::intrusive::constant_time_size<false>>;

  Clock& clock;
  const ProtocolTable& protocols;
  const Options& options;
  std::span<std::byte> read_buffer;  // kReadBytes
  Statistics& statistics;
  InputBudget budget;
  Deadlines deadlines{};
  List<ReadyHook> ready{};      // to be served this turn
  List<ReadyHook> heard{};      // after them: what they sent was read, and that is all so far
  List<StarvedHook> starved{};  // wait for the budget, in the order of asking
  List<HoldingHook> holding{};  // hold part of a message, the oldest first
  Time next_eviction{};
  List<StuckHook> stuck{};  // their peers do not take all of their output, the longest first
  std::uint64_t stuck_bytes = 0, stuck_count = 0;
  net::TlsServer* tls = nullptr;  // null where TLS is not spoken
  Time next_tls_line{};           // before that no other complaint about TLS is logged
  bool draining = false;
  bool worked = false;  // a conversation was called in this serve_ready()
};

class Connection final : public protocol::Host,
                         public net::StreamWatcher,
                         public Deadline,
                         public ReadyHook,
                         public StarvedHook,
                         public HoldingHook,
                         public StuckHook {
 public:
  Connection(Hall& hall, std::unique_ptr<net::Stream> stream);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Gives the conversation the input it can take now, sends its output, and reads on or closes.
  void serve();
  void drain();
  // The connection is over; the next thing to happen to it is its destructor.
  [[nodiscard]] bool dead() const { return phase_ == Phase::dead; }
  void kill();

  // ---- protocol::Host
  void wake() override;
  void wake_at(Time when) override;
  [[nodiscard]] bool peer_is_loopback() const override;
  [[nodiscard]] std::string peer() const override;
  [[nodiscard]] bool encrypted() const override;
  [[nodiscard]] std::string_view tls_subject() const override;

  // ---- net::StreamWatcher
  void on_readable() override;
  void on_writable() override;

  std::size_t index = 0;  // its place in the gateway's list

 protected:
  void on_deadline(Time now) override;

 private:
  enum class Phase : std::uint8_t {
    sniffing,   // no conversation yet, or none within TLS
    talking,    // there is one
    lingering,  // all is said; waits for the peer's end
    dead,
  };

  [[nodiscard]] bool wants_bytes() const;
  [[nodiscard]] bool waits_for_reader() const;
  void read_some();
  void take_in(ByteView fresh);
  void feed_held();
  [[nodiscard]] std::size_t converse(ByteView input);
  [[nodiscard]] bool begin_conversation(ByteView input);
  // The stream becomes an encrypted one, and what comes out of it is sniffed again. Gives how much
  // of the input that took.
  [[nodiscard]] std::size_t begin_tls(ByteView input);
  // Whether the handshake is behind us; what is left of a connection whose handshake failed is to
  // tell its peer.
  [[nodiscard]] bool passed_handshake();
  void hold(ByteView bytes);
  void drop_held(std::size_t count);
  void account_held();
  void tell_end_of_input();
  void flush();
  void account_output();
  void limit_input();
  void discard();
  void read_on();
  void starve();
  void evict_others(Time now);
  void linger();
  void schedule();

  Hall& hall_;
  std::unique_ptr<net::Stream> stream_;
  net::TlsStream* tls_ = nullptr;  // stream_, once it is encrypted
  std::unique_ptr<protocol::Conversation> conversation_;
  Bytes held_;  // input not taken in yet, from held_begin_ on
  std::size_t held_begin_ = 0;
  std::size_t held_charged_ = 0;  // of the budget
  std::uint64_t discarded_ = 0;
  Time wish_ = Time::max();           // the conversation's
  Time message_since_ = Time::max();  // the half message in held_ began then
  Time input_limit_ = Time::max();    // of sniffing, of half a message, of lingering
  Time write_limit_ = Time::max();    // of output that the peer does not take
  Time write_since_ = Time::max();    // it has not taken all of it since then
  std::uint64_t written_ = 0;         // since then
  std::size_t stuck_charged_ = 0;     // of the output budget
  Time starved_until_ = Time::max();  // then others are given up for this one
  Time held_since_{};
  Phase phase_ = Phase::sniffing;
  bool watch_input_ = true;  // the conversation does not do it itself
  bool read_armed_ = false;
  bool write_armed_ = false;
  bool paused_ = false;  // reading stopped because the conversation wants no input
  bool input_waits_ =
      false;  // held_ was not taken for want of room: offer it again without new bytes
  bool peer_ended_ = false;  // no more comes in
  bool handshaking_ = false;
  bool end_told_ = false;
};

}  // namespace penstock::gateway
