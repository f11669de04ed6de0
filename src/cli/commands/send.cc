#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include "cli/commands/commands.h"
#include "cli/commands/send_options.h"
#include "cli/connection.h"
#include "cli/json_text.h"
#include "cli/line_batches.h"
#include "cli/terminal.h"
#include "os/real_clock.h"

namespace penstock::cli {
namespace {

struct Options {
  std::string url;
  std::string queue;
  std::optional<std::string> body;
  std::string file;
  bool lines = false;
  bool json = false;
  SendArguments send;
};

class Sender {
 public:
  Sender(const Options& options, client::Client& client, const client::SendOptions& send)
      : options_(options), client_(client), send_(send) {}

  int one(std::string_view body) {
    const auto id = call(client::send(options_.queue, body, send_));
    return id ? print_ids({&*id, 1}, options_.json) : report_failure(id.error());
  }

  // Each line a message; it has the key that it would have if all were one batch.
  int lines(std::istream& input) {
    const auto send = [this](std::span<const std::string_view> bodies, std::size_t sent) {
      client::SendOptions part = send_;
      part.key_from = sent;
      return call(client::send_many(options_.queue, bodies, part));
    };
    return send_lines(input, "messages", options_.json, send);
  }

 private:
  template <class T>
  client::Answer<T> call(const client::Request<T>& request) {
    return call_patiently(client_, request, *clock_, options_.send.patience, interrupt_.token());
  }

  const Options& options_;
  client::Client& client_;
  const client::SendOptions& send_;
  Interrupt interrupt_;
  std::unique_ptr<Clock> clock_ = make_real_clock();
};

int send(const Options& options) {
  const auto send_options = send_options_of(options.send);
  if (!send_options) return report(send_options.error());
  std::ifstream file;
  if (!options.file.empty()) {
    file.open(options.file, std::ios::binary);
    if (!file) return report({ErrorCode::io, "cannot read the file " + options.file});
  }
  std::istream& input = options.file.empty() ? std::cin : file;
  if (!options.body && options.file.empty() && ::isatty(STDIN_FILENO) != 0) {
    fmt::print(stderr, "reading the message from the terminal; Ctrl-D ends it\n");
  }
  auto client = connect(options.url);
  if (!client) return report(client.error());
  Sender sender(options, **client, *send_options);
  if (options.lines) return sender.lines(input);
  if (options.body) return sender.one(*options.body);
  const std::string body{std::istreambuf_iterator<char>(input), {}};
  return sender.one(body);
}

}  // namespace

Action set_up_send(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("queue", options->queue, "where to")->required();
  auto* body = app.add_option("body", options->body, "the message; standard input when not given");
  auto* file = app.add_option("--file", options->file, "read it from a file")->excludes(body);
  app.add_flag("-n,--lines", options->lines, "every line of the input is a message")
      ->excludes(body);
  (void)file;
  add_send_options(app, options->send);
  add_connect_option(app, options->url);
  add_json_option(app, options->json);
  return [options] { return send(*options); };
}

}  // namespace penstock::cli
