#include "server/server.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <span>

#include "base/text.h"
#include "broker/broker.h"
#include "gateway/gateway.h"
#include "net/loop.h"
#include "os/file.h"
#include "os/real_clock.h"
#include "server/broker_loop.h"
#include "server/fronts.h"
#include "server/password_checker.h"
#include "server/tls_files.h"

namespace penstock::server {
namespace {

// What flushing one connection causes can be taken in by another in the same turn; after so many
// rounds the sockets are looked at again.
constexpr int kRoundsPerTurn = 8;

std::vector<std::pair<std::string, std::string>> status_lines(
    const gateway::Gateway& gateway, const protocol::Passwords::Statistics& passwords) {
  const gateway::Statistics s = gateway.statistics();
  const std::pair<const char*, std::uint64_t> counters[] = {
      {"connections", gateway.connections()},
      {"connections_accepted", s.accepted},
      {"connections_refused", s.refused_full},
      {"connections_broken", s.broken},
      {"unknown_protocol", s.unknown_protocol},
      {"sniff_timeouts", s.sniff_timeouts},
      {"input_timeouts", s.input_timeouts},
      {"write_timeouts", s.write_timeouts},
      {"input_overflows", s.input_overflows},
      {"input_pauses", s.input_pauses},
      {"output_pauses", s.output_pauses},
      {"budget_pauses", s.budget_pauses},
      {"input_evictions", s.input_evictions},
      {"output_evictions", s.output_evictions},
      {"accept_pauses", s.accept_pauses},
      {"input_held_bytes", gateway.held_input_bytes()},
      {"tls_handshakes", s.tls_handshakes},
      {"tls_failures", s.tls_failures},
      {"tls_refused", s.tls_refused},
      {"passwords_right", passwords.right},
      {"passwords_wrong", passwords.wrong},
      {"passwords_busy", passwords.busy},
      {"passwords_remembered", passwords.remembered},
      {"received_bytes", s.received_bytes},
      {"sent_bytes", s.sent_bytes},
  };
  std::vector<std::pair<std::string, std::string>> lines;
  for (const auto& [name, value] : counters) lines.emplace_back(name, fmt::format("{}", value));
  return lines;
}

// Whatever the system said of a folder that was named in a setting, the way out is the same.
Error unusable_directory(Error error) {
  if (error.code == ErrorCode::not_found) error.code = ErrorCode::io;
  if (error.hint.empty()) error.hint = "choose a folder that can be made and written, with --data";
  return error;
}

}  // namespace

class Server::Impl {
 public:
  explicit Impl(const Settings& settings)
      : settings_(settings), clock_(make_real_clock()), random_(make_real_random()) {}

  Result<void> start() {
    if (auto valid = validate(settings_); !valid) return valid;
    // A folder that is not there has no users, and is not made to find that out.
    if (!std::filesystem::exists(settings_.data))
      if (auto allowed = may_listen(settings_, false); !allowed) return allowed;
    auto directory = open_directory(settings_.data);
    if (!directory) return fail(unusable_directory(std::move(directory).error()));
    directory_ = std::move(*directory);
    auto options = settings_.broker;
    options.fields = &protocol::amqp::field_reader();
    auto opened = broker::Broker::open(*directory_, *clock_, *random_, options);
    if (!opened) {
      return fail(std::move(opened).error().at(fmt::format("data directory {}", settings_.data)));
    }
    broker_ = std::move(*opened);
    if (auto allowed = may_listen(settings_, broker_->has_users()); !allowed) return allowed;
    broker_->watch_disk([this](const journal::Finding& finding) { log_finding(finding); });
    passwords_.emplace(loop_, *broker_);
    fronts_.emplace(
        *broker_, *random_, *passwords_, settings_,
        [this] { return status_lines(*gateway_, passwords_->statistics()); },
        [this] { return listeners(); });
    if (settings_.tls.any()) {
      auto loaded = load_tls(tls_, settings_.tls);
      if (!loaded) return fail(std::move(loaded).error());
      spdlog::info("TLS with the certificate {}", *loaded);
    }
    gateway_.emplace(loop_, *clock_, fronts_->table(), settings_.gateway, &tls_);
    warn_of_plain_passwords();
    for (const net::Address& address : settings_.listen) {
      auto bound = gateway_->listen(address);
      if (!bound) return fail(std::move(bound).error());
      addresses_.push_back(std::move(*bound));
    }
    return {};
  }

  ~Impl() {
    // Conversations call the broker at their end, so they go first.
    if (gateway_) gateway_->close_all();
    broker_loop_.reset();
    if (broker_) broker_->close();
  }

  void run() {
    broker_loop_.emplace(loop_, *broker_);
    loop_.run([this] { after_events(); });
  }

  void stop() {
    loop_.post([this] { begin_stop(); });
  }

  void stop_on_signals() {
    // Without certificates there is nothing to read again, and the end of a terminal means what it
    // always does.
    constexpr int kSignals[] = {SIGTERM, SIGINT, SIGHUP};
    const std::span<const int> signals(kSignals);
    loop_.on_signals(settings_.tls.any() ? signals : signals.first(2), [this](int signal) {
      if (signal == SIGHUP) return reload_tls();
      if (stopping_) {
        spdlog::warn("second signal: ending at once; what was confirmed is on the disk");
        std::_Exit(128 + signal);
      }
      begin_stop();
    });
  }

  const std::vector<net::Address>& addresses() const { return addresses_; }
  const broker::Broker& broker() const { return *broker_; }
  const gateway::Gateway& gateway() const { return *gateway_; }

 private:
  void warn_of_plain_passwords() const {
    if (settings_.tls.any()) return;
    for (const net::Address& address : settings_.listen)
      if (!net::is_loopback(address))
        spdlog::warn(
            "listening on {} without TLS: passwords cross the network for everybody to read; give "
            "--tls-certificate and --tls-key",
            net::to_text(address));
  }

  void reload_tls() {
    const auto loaded = load_tls(tls_, settings_.tls);
    if (loaded) {
      spdlog::info("TLS from now on with the certificate {}", *loaded);
    } else {
      spdlog::error("{}; TLS goes on with the certificate that it had", loaded.error().message);
    }
  }

  std::vector<protocol::http::Settings::Listener> listeners() const {
    std::vector<protocol::http::Settings::Listener> all;
    for (const auto& address : addresses_) all.push_back({address.host, address.port});
    return all;
  }

  void after_events() {
    const Time now = clock_->now();
    gateway_->fire(now);
    broker_loop_->maintain(now);
    for (int round = 0; round < kRoundsPerTurn; ++round) {
      broker_loop_->turn();
      if (!gateway_->serve_ready()) break;
    }
    if (gateway_->has_ready()) loop_.post([] {});
    if (stopping_) continue_stop(now);
    loop_.alarm(std::min({gateway_->next_deadline(), broker_loop_->next_due(), grace_end_}), now);
  }

  void begin_stop() {
    if (stopping_) return;
    stopping_ = true;
    grace_end_ = clock_->now() + settings_.grace;
    spdlog::info("stopping: {} connection(s) may finish within {}", gateway_->connections(),
                 format_duration(settings_.grace));
    fronts_->stop_accepting();
    gateway_->drain();
  }

  void continue_stop(Time now) {
    if (now >= grace_end_ && gateway_->connections() != 0) {
      spdlog::warn("closing {} connection(s) that did not finish", gateway_->connections());
      gateway_->close_all();
      loop_.post([] {});  // their ends are commands: one more turn
      return;
    }
    if (now >= grace_end_) grace_end_ = Time::max();
    if (gateway_->connections() == 0 && broker_loop_->idle()) loop_.stop();
  }

  void log_finding(const journal::Finding& finding) const {
    const auto place =
        fmt::format("{}/{} at offset {}", settings_.data, finding.file, finding.offset);
    switch (finding.kind) {
      case journal::Finding::Kind::repaired:
        spdlog::warn(
            "{}: {} byte(s) were damaged and have been repaired from the parity; look at "
            "the disk",
            place, finding.bytes);
        return;
      case journal::Finding::Kind::damaged:
        spdlog::error(
            "{}: {} byte(s) are damaged: {}; stop the server and run `penstock verify {}` "
            "to see what is affected",
            place, finding.bytes, finding.what, settings_.data);
        return;
      case journal::Finding::Kind::unprotected:
        spdlog::warn("{}/{} cannot be written: {}; its segment has no parity until that works",
                     settings_.data, finding.file, finding.what);
        return;
    }
  }

  const Settings settings_;
  const std::unique_ptr<Clock> clock_;
  const std::unique_ptr<Random> random_;
  net::Loop loop_;
  net::TlsServer tls_{loop_};
  std::unique_ptr<Directory> directory_;
  std::unique_ptr<broker::Broker> broker_;
  std::optional<PasswordChecker> passwords_;
  std::optional<Fronts> fronts_;
  std::optional<gateway::Gateway> gateway_;
  std::optional<BrokerLoop> broker_loop_;
  std::vector<net::Address> addresses_;
  bool stopping_ = false;
  Time grace_end_ = Time::max();
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::start(const Settings& settings) {
  auto impl = std::make_unique<Impl>(settings);
  if (auto started = impl->start(); !started) return fail(std::move(started).error());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

void Server::run() {
  impl_->run();
}

void Server::stop() {
  impl_->stop();
}

void Server::stop_on_signals() {
  impl_->stop_on_signals();
}

const std::vector<net::Address>& Server::addresses() const {
  return impl_->addresses();
}

const journal::OpenReport& Server::open_report() const {
  return impl_->broker().open_report();
}

gateway::Statistics Server::statistics() const {
  return impl_->gateway().statistics();
}

}  // namespace penstock::server
