#include "signup.h"

#include <chrono>
#include <utility>

namespace signup {

using namespace std::chrono_literals;

Signup::Signup(penstock::App& app, SendMail send)
    : app_(app),
      remind_(penstock::task(
          "remind",
          [send](std::string address) { send(address, "Your first project is waiting."); })),
      welcome_(penstock::task(
          "welcome",
          [this, send](penstock::Context& context, std::string address) {
            send(address, "Welcome!");
            // The id as a key: a second run of this task does not remind twice.
            app_.enqueue(remind_.with({.delay = 24h, .key = std::to_string(context.id())}),
                         address);
          },
          {.max_attempts = 5, .backoff = penstock::exponential(10s)})) {
  app_.declare("default", {.dedup_window = 48h});
  app_.add(remind_, welcome_);
}

void Signup::sign_up(const std::string& address) {
  app_.enqueue(welcome_, address);
}

}  // namespace signup
