#include <memory>
#include <string>
#include <vector>

#include "cli/commands/commands.h"
#include "os/real_clock.h"
#include "server/process.h"
#include "server/server.h"
#include "server/settings.h"

namespace penstock::cli {
namespace {

struct Options {
  std::string config;
  std::string ready_file;
  int ready_fd = -1;
  // One for each of server::setting_rows(); empty when not given.
  std::vector<std::vector<std::string>> values;
};

Result<server::Settings> settings_of(const Options& options) {
  server::Settings settings;
  if (!options.config.empty()) {
    if (auto read = server::read_file(settings, options.config); !read) {
      return fail(std::move(read).error());
    }
  }
  if (auto read = server::read_environment(settings); !read) return fail(std::move(read).error());
  const auto rows = server::setting_rows();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (options.values[i].empty()) continue;
    if (auto set = server::apply_setting(settings, rows[i], options.values[i]); !set) {
      return fail(std::move(set).error());
    }
  }
  settings.ready_file = options.ready_file;
  settings.ready_fd = options.ready_fd;
  return settings;
}

int serve(const Options& options) {
  const auto clock = make_real_clock();
  const Time began = clock->now();
  const auto settings = settings_of(options);
  if (!settings) {
    report(settings.error());
    return kExitUsage;
  }
  server::prepare_process(settings->log_level);
  auto server = server::Server::start(*settings);
  if (!server) return report(server.error());
  (*server)->stop_on_signals();
  if (auto told = server::announce_ready(**server, *settings, clock->now() - began); !told) {
    return report(told.error());
  }
  (*server)->run();
  return kExitOk;
}

std::string flag_of(std::string_view name) {
  std::string flag = "--";
  for (const char c : name) flag += c == '_' ? '-' : c;
  return flag;
}

}  // namespace

Action set_up_serve(CLI::App& app) {
  auto options = std::make_shared<Options>();
  const auto rows = server::setting_rows();
  const server::Settings defaults;
  options->values.resize(rows.size());
  app.add_option("--config", options->config, "settings from a TOML file; the same names as below")
      ->type_name("FILE");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CLI::Option* option = app.add_option(flag_of(rows[i].name), options->values[i], rows[i].help);
    option->type_name(rows[i].argument)->default_str(rows[i].show(defaults));
    if (rows[i].list) {
      option->delimiter(',')->allow_extra_args(false)->take_all();
    } else {
      option->expected(1)->take_last();
    }
  }
  app.add_option("--ready-file", options->ready_file, "write the addresses there once ready")
      ->type_name("FILE");
  app.add_option("--ready-fd", options->ready_fd, "write them to this descriptor")->type_name("N");
  return [options] { return serve(*options); };
}

}  // namespace penstock::cli
