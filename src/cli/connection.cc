#include "cli/connection.h"

#include <fmt/format.h>

#include <cstdlib>

#include "base/text.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/password.h"

namespace penstock::cli {
namespace {

Result<std::string> url_with_user(const std::string& url, const std::string& user) {
  const auto colon = user.find(':');
  if (colon != std::string::npos)
    return client::with_user(url, user.substr(0, colon), user.substr(colon + 1));
  if (const char* password = std::getenv("PENSTOCK_PASSWORD"))
    return client::with_user(url, user, password);
  const auto password = ask_password(fmt::format("Password of {}: ", user));
  if (!password) return fail(password.error());
  return client::with_user(url, user, *password);
}

}  // namespace

void add_connect_option(CLI::App& app, std::string& url) {
  url = "penstock://127.0.0.1:7411";
  app.add_option("-c,--connect", url, "the server's address")
      ->envname("PENSTOCK_URL")
      ->type_name("URL")
      ->default_str(url);
  const auto user = std::make_shared<std::string>();
  app.add_option("--user", *user,
                 "who asks; a password that is not given is PENSTOCK_PASSWORD, or asked for")
      ->envname("PENSTOCK_USER")
      ->type_name("NAME[:PASSWORD]");
  app.parse_complete_callback([&url, user] {
    if (user->empty()) return;
    auto whole = url_with_user(url, *user);
    if (!whole) throw CLI::ValidationError("--user", whole.error().message);
    url = std::move(*whole);
    user->clear();  // the callback may be called again
  });
}

void add_json_option(CLI::App& app, bool& json) {
  app.add_flag("--json", json, "print JSON for programs");
}

CLI::Option* add_duration_option(CLI::App& app, const std::string& name, Duration& value,
                                 const std::string& help) {
  return app
      .add_option_function<std::string>(
          name,
          [&value](const std::string& text) {
            const auto parsed = parse_duration(text);
            if (!parsed) throw CLI::ValidationError(parsed.error().message);
            value = *parsed;
          },
          help)
      ->type_name("DURATION")
      ->default_str(format_duration(value));
}

Result<std::unique_ptr<client::Client>> connect(const std::string& url, client::Options options) {
  options.url = url;
  options.name = "penstock-cli";
  auto client = client::Client::connect(options);
  if (client) return client;
  Error error = std::move(client.error());
  if (error.code == ErrorCode::closed && error.hint.empty()) {
    error.hint = "start one with `penstock serve`, or say where it is with --connect";
  }
  return fail(std::move(error));
}

void say_server_gone(const Error& why) {
  fmt::print(stderr, "penstock: the server is gone: {}; trying again\n", why.message);
}

const CLI::Validator& not_empty() {
  static const CLI::Validator validator(
      [](std::string& text) { return std::string(text.empty() ? "give it some text" : ""); }, "");
  return validator;
}

int report_failure(const client::Failure& failure) {
  if (!failure.refusal) return report(failure.error);
  const auto& refusal = *failure.refusal;
  Error error = failure.error;
  error.message = fmt::format("queue {} refuses for now ({})", refusal.queue, refusal.reason);
  error.hint = "come back in " + human_duration(refusal.retry_after);
  return report(error);
}

int report_unwatched(const client::Failure& failure, std::string_view kind, MessageId id,
                     std::string_view command) {
  const int code = report_failure(failure);
  fmt::print(stderr, "{} {} came in, and goes on: look at it with `penstock {} {}`\n", kind,
             id.value, command, id.value);
  return code;
}

}  // namespace penstock::cli
