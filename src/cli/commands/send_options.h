// The options that `send` and `run` share: how a message or task is published.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/interrupt.h"
#include "client/api.h"

namespace penstock::cli {

struct SendArguments {
  Duration delay{0};
  std::string at;
  std::optional<unsigned> priority;
  std::string key;
  std::string group;
  Duration expires{0};
  std::vector<std::string> headers;  // "name=value"
  Duration patience{0};
  std::string unique, until, debounce, throttle, rate, on_conflict;
  Duration debounce_delay{0}, max_wait{0};
};

void add_send_options(CLI::App& app, SendArguments& arguments);

// Error::invalid names the option that makes no sense.
[[nodiscard]] Result<client::SendOptions> send_options_of(const SendArguments& arguments);

// Calls again as long as the server refuses and says when to come back, for at most `patience`.
template <class T>
[[nodiscard]] client::Answer<T> call_patiently(client::Client& client,
                                               const client::Request<T>& request, Clock& clock,
                                               Duration patience, const std::stop_token& stop) {
  const Time until = clock.now() + patience;
  for (;;) {
    auto answer = client.call(request);
    if (answer || !answer.error().refusal) return answer;
    const Duration pause = answer.error().refusal->retry_after;
    if (clock.now() + pause > until || !wait_for(stop, pause)) return answer;
  }
}

}  // namespace penstock::cli
