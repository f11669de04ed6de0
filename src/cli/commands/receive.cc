#include <fmt/format.h>

#include <memory>

#include "cli/commands/commands.h"
#include "cli/connection.h"
#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/json_text.h"
#include "cli/table.h"
#include "cli/terminal.h"

namespace penstock::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration kFollowWait = 20s;
constexpr std::uint32_t kBatch = 100;

struct Options {
  std::string url;
  std::vector<std::string> queues;
  std::uint32_t max = 1;
  Duration wait{0};
  Duration lease{0};
  bool ack = true;
  bool follow = false;
  bool json = false;
};

// For a terminal: lines stay lines, nothing else that the body says reaches the terminal.
std::string shown_body(std::string_view body) {
  std::string text;
  for (std::size_t at = 0; at <= body.size();) {
    const std::size_t end = std::min(body.find('\n', at), body.size());
    if (at > 0) text += '\n';
    text += shown(body.substr(at, end - at));
    at = end + 1;
  }
  return text;
}

bool print(const Options& options, const client::Message& message) {
  if (options.json) return print_json(to_json(message));
  if (terminal_width() == 0) return write_out(message.body + "\n");
  return write_out(fmt::format("\x1b[2m# {} from {}, attempt {}, sent {}\x1b[0m\n{}\n",
                               message.id.value, shown(message.queue), message.attempts,
                               human_time(message.enqueued_at), shown_body(message.body)));
}

// Printed first and settled then: who kills us in between gets the message again.
int settle(const Options& options, client::Client& client,
           const std::vector<client::Message>& messages, std::size_t printed) {
  std::vector<std::string_view> done, untouched;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    (options.ack && i < printed ? done : untouched).push_back(messages[i].lease);
  }
  if (!done.empty()) {
    const auto acked = client.call(client::ack(done));
    if (!acked) return report_failure(acked.error());
    if (*acked < done.size()) {
      return report({ErrorCode::conflict,
                     fmt::format("{} of {} messages were printed after their lease had run out: "
                                 "they will come again",
                                 done.size() - *acked, done.size()),
                     "give more time with --lease"});
    }
  }
  if (!untouched.empty()) {
    const auto returned = client.call(client::give_back(untouched));
    if (!returned) return report_failure(returned.error());
  }
  return printed == messages.size() ? kExitOk : kExitSystem;
}

int receive(const Options& options) {
  Interrupt interrupt;
  auto client = connect(options.url);
  if (!client) return report(client.error());
  std::uint64_t received = 0;
  const std::uint64_t most = options.follow ? UINT64_MAX : options.max;
  while (received < most && !interrupt.token().stop_requested()) {
    const client::TakeOptions take{
        .max = static_cast<std::uint32_t>(std::min<std::uint64_t>(most - received, kBatch)),
        .wait = options.follow  ? kFollowWait
                : received == 0 ? options.wait
                                : 0s,
        .lease = options.lease};
    const auto messages =
        (*client)->call_waiting(client::receive(options.queues, take), interrupt.token());
    if (!messages) return report_failure(messages.error());
    if (messages->empty() && !options.follow) break;
    std::size_t printed = 0;
    while (printed < messages->size() && print(options, (*messages)[printed])) ++printed;
    if (const int code = settle(options, **client, *messages, printed); code != kExitOk)
      return code;
    received += messages->size();
    // Given back they would come again, and again.
    if (!options.ack && !options.follow) break;
  }
  return received > 0 || options.follow ? kExitOk : kExitFailed;
}

}  // namespace

Action set_up_receive(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("queues", options->queues,
                 "where from; the first that has messages is served first")
      ->required();
  app.add_option("-m,--max", options->max, "how many at most")
      ->check(CLI::Range(1u, 1'000'000'000u))
      ->capture_default_str();
  add_duration_option(app, "-w,--wait", options->wait, "how long to wait for the first");
  add_duration_option(app, "--lease", options->lease, "time to print them in");
  app.add_flag("--ack,!--no-ack", options->ack,
               "settle them once printed (the default), or give them back");
  app.add_flag("-f,--follow", options->follow, "go on until interrupted")->excludes("--max");
  add_connect_option(app, options->url);
  add_json_option(app, options->json);
  return [options] {
    if (options->follow && !options->ack) {
      return report({ErrorCode::invalid, "--follow and --no-ack would print the same for ever"});
    }
    return receive(*options);
  };
}

}  // namespace penstock::cli
