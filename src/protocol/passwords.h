// Whether somebody is who he says: one for all protocols. What he may do then is the engine's to
// know (engine/authorize.cc).
//
// Threads:  the broker's.
// Lifetime: outlives the conversations. A question whose Ticket ends is taken back: nobody is told.
// Pressure: checking a password costs much, by design, so it is done beside the loop, and only so
//           many wait for it, fewer of each machine; one more is told `busy`. Those from this
//           machine find room when others do not.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace penstock::protocol {

// Begins what is kept of a password that RabbitMQ hashed: base64 of four bytes of salt, and SHA-256
// of salt and password, follows.
inline constexpr std::string_view kRabbitHash = "$rabbitmq-sha256$";

enum class Proof : std::uint8_t { right, wrong, busy };

class Passwords {
 public:
  class Ticket {
   public:
    virtual ~Ticket() = default;
  };

  struct Question {
    std::string_view user, password;
    bool from_loopback = false;
    std::string_view peer = {};  // "192.0.2.1:50000"
  };
  struct Statistics {
    std::uint64_t right = 0, wrong = 0, busy = 0;
    std::uint64_t remembered = 0;  // of the right ones: known from a moment ago
  };

  virtual ~Passwords() = default;
  // The answer, if it is known at once; else `then` gets it later, unless `ticket` ends before. A
  // user that is not there takes as long as a wrong password.
  [[nodiscard]] virtual std::optional<Proof> check(const Question& question,
                                                   std::unique_ptr<Ticket>& ticket,
                                                   std::move_only_function<void(Proof)> then) = 0;
  // What is kept of a password, for Broker::put_user(); later, or Error::busy now.
  using Hashed = std::move_only_function<void(Result<std::string>)>;
  [[nodiscard]] virtual Result<void> hash(std::string_view password,
                                          std::unique_ptr<Ticket>& ticket, Hashed then) = 0;
  // Whether somebody else's hash is one that check() understands, and not too costly.
  [[nodiscard]] virtual Result<void> accepts(std::string_view hash) const = 0;
  [[nodiscard]] virtual const Statistics& statistics() const = 0;
};

}  // namespace penstock::protocol
