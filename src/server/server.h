// A Penstock server in this process: data directory, broker, gateway and loop, put together.
//
// Threads:  start() and run() on one thread; stop() on any.
// Life:     start() opens the data directory and listens: connections made from then on are served
// as
//           soon as run() runs. run() returns after stop(), when conversations have come to their
//           end or their grace is over; the journal is then closed and marked clean.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "gateway/options.h"
#include "journal/journal.h"
#include "net/address.h"
#include "server/settings.h"

namespace penstock::server {

class Server {
 public:
  // Error::conflict: another process has the data directory. Error::corrupt, Error::unsupported: it
  // is damaged, or written by a newer version. Error::invalid: the settings. Each says what to do.
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(const Settings& settings);
  ~Server();

  void run();
  void stop();
  // From now on SIGTERM and SIGINT stop the server, and a second one ends the process at once.
  // Where TLS is spoken, SIGHUP reads its certificates again.
  void stop_on_signals();

  [[nodiscard]] const std::vector<net::Address>& addresses() const;
  [[nodiscard]] const journal::OpenReport& open_report() const;
  // On the loop's thread.
  [[nodiscard]] gateway::Statistics statistics() const;

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace penstock::server
