// Exchanges and bindings: where a message goes that is published to an exchange.
//
//   publish(exchange, key) ──▶ exchange ──binding──▶ queue
//                                 │  └────binding──▶ exchange ──binding──▶ queue
//                                 └─ none matched ─▶ its alternate exchange
//
// Names are scoped (names.h). The default exchange of each virtual host (name "") is no object: its
// key is a queue's name.
//
// Threads: one. Lifetime: views in events are copied; what resolve() gives lives until the next
// change.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/cursor.h"
#include "engine/topic_trie.h"

namespace penstock::engine {

enum class ExchangeType : std::uint8_t { direct = 1, fanout, topic, headers, consistent_hash };
[[nodiscard]] std::string_view name_of(ExchangeType type);

struct ExchangeSpec {
  std::string_view name;
  ExchangeType type = ExchangeType::direct;
  bool durable = true;
  bool auto_delete = false;    // goes with its last binding
  bool internal = false;       // clients may not publish to it
  bool delayed = false;        // declared as an exchange for delayed messages
  std::string_view alternate;  // scoped; empty = none
  std::string_view hash_on;    // consistent_hash: the field that is hashed; empty = the key
  std::string_view arguments;  // as the client gave them, as JSON; kept for it
};

// What a headers exchange compares, as texts that are equal when the values are.
struct MatchField {
  std::string name;
  std::string value;
  bool any_value = false;  // it is enough that the field is there
  bool operator==(const MatchField&) const = default;
};
enum class HeaderMatch : std::uint8_t { none, all, any };

struct BindingSpec {
  std::string_view source;  // an exchange
  bool to_exchange = false;
  std::string_view destination;
  std::string_view key;  // of consistent_hash: the weight
  HeaderMatch match = HeaderMatch::none;
  std::span<const MatchField> fields;
  std::string_view arguments;  // JSON; bindings that differ in them are different ones
};

// Reads a field of a message's headers, in the form in which MatchField has it.
class FieldReader {
 public:
  virtual ~FieldReader() = default;
  [[nodiscard]] virtual std::optional<std::string> field(ByteView headers,
                                                         std::string_view name) const = 0;
};

struct Binding {
  std::string source, destination, key, arguments;
  bool to_exchange = false;
  HeaderMatch match = HeaderMatch::none;
  std::vector<MatchField> fields;

  [[nodiscard]] BindingSpec spec() const {
    return {source, to_exchange, destination, key, match, fields, arguments};
  }
};

struct Exchange {
  std::string name, alternate, hash_on, arguments;
  ExchangeType type = ExchangeType::direct;
  bool durable = true, auto_delete = false, internal = false, delayed = false;
  bool predeclared = false;  // amq.*: always there, never written
  std::map<std::string, std::unique_ptr<Binding>, std::less<>> bindings;  // by identity
  std::multimap<std::string, const Binding*, std::less<>> by_key;         // of a direct one
  TopicTrie patterns;                                                     // of a topic one

  [[nodiscard]] ExchangeSpec spec() const {
    return {name, type, durable, auto_delete, internal, delayed, alternate, hash_on, arguments};
  }
};

class Topology {
 public:
  Topology();

  // ---- changes; what is there already, or not there any more, is left as it is
  void set_host(std::string_view name);
  void remove_host(std::string_view name);  // and its exchanges; its queues are the caller's
  void set_exchange(const ExchangeSpec& spec);
  void remove_exchange(std::string_view name);
  // False when both ends are not there.
  bool bind(const BindingSpec& spec);
  bool unbind(const BindingSpec& spec);
  void forget_queue(std::string_view name);

  // Durable exchanges that are gone since the last call, whatever took them along.
  [[nodiscard]] std::vector<std::string> take_gone() { return std::exchange(gone_, {}); }

  // ---- looking
  [[nodiscard]] const std::set<std::string, std::less<>>& hosts() const { return hosts_; }
  [[nodiscard]] const Exchange* find(std::string_view name) const;
  [[nodiscard]] const std::map<std::string, Exchange, std::less<>>& exchanges() const {
    return exchanges_;
  }
  [[nodiscard]] const Binding* find(const BindingSpec& spec) const;
  [[nodiscard]] std::vector<const Binding*> bindings_to(std::string_view destination,
                                                        bool exchange) const;

  struct Message {
    std::span<const std::string_view> keys;  // its routing key, then those of CC and BCC
    ByteView headers;
    const FieldReader* fields = nullptr;
  };
  // Appends the names of the queues that `message` goes to, each once. True when keys alone decided
  // it, so that the next message with them goes the same way until version() changes.
  bool resolve(const Exchange& exchange, const Message& message,
               std::vector<std::string_view>& queues) const;
  [[nodiscard]] std::uint64_t version() const { return version_; }

 private:
  [[nodiscard]] std::vector<const Binding*> matches(const Exchange& exchange,
                                                    const Message& message, bool& by_keys) const;
  std::unique_ptr<Binding> take_out(Exchange& exchange, std::string_view identity);
  void end_if_unused(std::string_view exchange);
  void forget_destination(std::string_view name, bool exchange);

  std::map<std::string, Exchange, std::less<>> exchanges_;
  std::set<std::string, std::less<>> hosts_;
  // "q" or "e" and a name: the bindings that lead there.
  std::map<std::string, std::set<const Binding*>, std::less<>> destinations_;
  std::vector<std::string> gone_;
  std::uint64_t version_ = 1;
};

}  // namespace penstock::engine
