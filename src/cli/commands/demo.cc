#include <memory>

#include "cli/commands/commands.h"
#include "cli/connection.h"
#include "cli/demo/notifications.h"

namespace penstock::cli {

Action set_up_demo(CLI::App& app) {
  const auto options = std::make_shared<NotificationsOptions>();
  app.require_subcommand(1);
  CLI::App* sub = app.add_subcommand(
      "notifications", "Events over HTTP become e-mails, texts and push notices, through a crash");
  sub->footer("EXAMPLE\n  penstock demo notifications --count 5000 --seconds 20");
  sub->add_option("--events", options->events, "a file of your own, of the same shape")
      ->type_name("FILE.ndjson");
  sub->add_option("--count", options->count, "how many of the file's events at most")
      ->check(CLI::Range(std::size_t{1}, std::size_t{10'000'000}))
      ->capture_default_str();
  sub->add_option_function<unsigned>(
         "--seconds",
         [options](unsigned seconds) { options->seconds = std::chrono::seconds(seconds); },
         "bring nothing new after this time")
      ->check(CLI::Range(1u, 86'400u))
      ->default_str("40");
  sub->add_flag("!--no-crash", options->crash, "leave the server alive");
  sub->add_flag("--keep", options->keep, "keep the folder with data, records and logs");
  return [options] { return demo_notifications(*options); };
}

}  // namespace penstock::cli
