#include "bench/peers/load/report.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace penstock::peers {

void give_up(const std::string& why) {
  std::fprintf(stderr, "load: %s\n", why.c_str());
  std::exit(1);
}

unsigned long number(const std::string& text) {
  unsigned long value = 0;
  const auto end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ec != std::errc() || read.ptr != end) give_up("not a number: " + text);
  return value;
}

double percentile(std::vector<double>& values, double p) {
  if (values.empty()) return 0;
  const auto at =
      std::min(values.size() - 1, static_cast<std::size_t>(p * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

void report(std::uint64_t messages, double time, std::vector<double>& latencies_us) {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const double cpu = static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                     static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  std::printf(
      "{\"messages\": %llu, \"seconds\": %.6f, \"rate\": %.1f, \"p50_us\": %.1f, \"p99_us\": "
      "%.1f, \"client_cpu_seconds\": %.4f}\n",
      static_cast<unsigned long long>(messages), time,
      time > 0 ? static_cast<double>(messages) / time : 0, percentile(latencies_us, 0.5),
      percentile(latencies_us, 0.99), cpu);
}

void read_options(std::span<char*> words, const Readers& readers) {
  for (const std::string word : words) {
    const auto name = word.substr(0, word.find('='));
    const auto reader = readers.find(name);
    if (reader == readers.end()) give_up("no such option: " + word);
    reader->second(word.substr(std::min(word.size(), name.size() + 1)));
  }
}

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

void wait_for_listener(std::uint16_t port) {
  const auto end = Clock::now() + std::chrono::seconds(120);
  for (;;) {
    if (const int fd = connect_to(port); fd >= 0) {
      ::close(fd);
      return;
    }
    if (Clock::now() > end) give_up("it does not come up");
    (void)::poll(nullptr, 0, 1);  // nobody tells when another's server listens
  }
}

}  // namespace penstock::peers
