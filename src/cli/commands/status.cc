#include <fmt/format.h>

#include <memory>

#include "cli/commands/commands.h"
#include "cli/connection.h"
#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/json_text.h"
#include "cli/queue_table.h"
#include "cli/terminal.h"

namespace penstock::cli {
namespace {

using namespace std::chrono_literals;

struct Options {
  std::string url;
  bool json = false;
  bool once = false;
  Duration every = 1s;
};

struct Picture {
  std::vector<client::OptionText> server;
  std::vector<client::QueueStatistics> queues;
};

client::Answer<Picture> look(client::Client& client) {
  Picture picture;
  auto server = client.call(client::server_status());
  if (!server) return std::unexpected(std::move(server.error()));
  picture.server = std::move(*server);
  auto queues = client.call(client::all_queue_statistics());
  if (!queues) return std::unexpected(std::move(queues.error()));
  picture.queues = std::move(*queues);
  return picture;
}

boost::json::object json_of(const Picture& picture) {
  boost::json::object server;
  for (const auto& [name, value] : picture.server) server[name] = parsed_or_string(value);
  boost::json::array queues;
  for (const auto& queue : picture.queues) queues.push_back(to_json(queue));
  return {{"server", std::move(server)}, {"queues", std::move(queues)}};
}

std::string text_of(const Picture& picture, const std::string& peer) {
  std::uint64_t ready = 0, leased = 0, refused = 0, bytes = 0;
  double arrivals = 0;
  for (const auto& queue : picture.queues) {
    ready += queue.ready, leased += queue.leased, refused += queue.refused, bytes += queue.bytes;
    arrivals += queue.arrival_rate;
  }
  return fmt::format("{}: queues {}, ready {}, leased {}, {}, {} in, refused {}\n\n", peer,
                     picture.queues.size(), human_count(ready), human_count(leased),
                     human_bytes(bytes), human_rate(arrivals), human_count(refused)) +
         queue_table(picture.queues).text(terminal_width());
}

int status(const Options& options) {
  Interrupt interrupt;
  auto client = connect(options.url);
  if (!client) return report(client.error());
  const bool once = options.once || (terminal_width() == 0 && !options.json);
  LiveLines lines;
  do {
    const auto picture = look(**client);
    if (picture && options.json) {
      if (!print_json(json_of(*picture))) return kExitOk;
    } else if (picture) {
      lines.draw(text_of(*picture, (*client)->peer()));
    } else if (once || picture.error().error.code != ErrorCode::closed) {
      return report_failure(picture.error());
    } else {
      // It may come back: the client tries by itself.
      lines.draw(fmt::format("{}: {}\n", (*client)->peer(), picture.error().error.message));
    }
  } while (!once && wait_for(interrupt.token(), options.every));
  return kExitOk;
}

}  // namespace

Action set_up_status(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_flag("--once", options->once, "print it once; so it is when nobody watches");
  add_duration_option(app, "--every", options->every, "how often it is drawn");
  add_connect_option(app, options->url);
  add_json_option(app, options->json);
  return [options] { return status(*options); };
}

}  // namespace penstock::cli
