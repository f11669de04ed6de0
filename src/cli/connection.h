// How a command reaches its server, and how it says that it cannot.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "base/result.h"
#include "client/api.h"

namespace penstock::cli {

// Adds --connect, which is PENSTOCK_URL, or penstock://127.0.0.1:7411, when it is not given; and
// --user, which is PENSTOCK_USER, and becomes a part of the URL.
void add_connect_option(CLI::App& app, std::string& url);
// An empty variable of a script is a mistake, and no way to leave an option out.
[[nodiscard]] const CLI::Validator& not_empty();
void add_json_option(CLI::App& app, bool& json);
// An option that takes "250ms", "10s", "2h".
CLI::Option* add_duration_option(CLI::App& app, const std::string& name, Duration& value,
                                 const std::string& help);

// The error of a server that cannot be reached says how to start one.
// Of the options only the address and the name are not the caller's.
[[nodiscard]] Result<std::unique_ptr<client::Client>> connect(const std::string& url,
                                                              client::Options options = {});

// For client::Await::away: says so on standard error.
void say_server_gone(const Error& why);

// As report(Error) of command.h; a refusal says when to come back.
int report_failure(const client::Failure& failure);
// The same of one that broke off the wait for a task or workflow that came in: `command` shows it.
int report_unwatched(const client::Failure& failure, std::string_view kind, MessageId id,
                     std::string_view command);

}  // namespace penstock::cli
