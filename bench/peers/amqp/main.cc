// A load of AMQP 0-9-1: publishes with confirms, consumes and acknowledges, both at once, or plays
// one message to and fro, and prints one line of JSON. Whatever is no success ends it with exit
// code 1.
//
//   peer_amqp publish|consume|both|roundtrip|first port=5672 [dialect=classic|quorum|penstock]
//             [queue=q] [queues=1] [connections=1] [window=500] [seconds=1] [messages=0]
//
//   dialect   how queues are declared
//   queues    that the work is spread over: queue0, queue1, ...
//   window    publishes without a confirm, and the prefetch, of each connection
//   messages  ends after so many instead of after the time
//
// What was published in the time is waited for, and counts with the time that it took.
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>

#include "bench/peers/amqp/session.h"

namespace penstock::peers {
namespace {

struct Options {
  std::string what, dialect = "classic", queue = "q";
  std::uint16_t port = 0;
  unsigned queues = 1, connections = 1, window = 500;
  std::uint64_t messages = 0;
  double seconds = 1;
};

Options read_all(int count, char** words) {
  Options options;
  if (count < 2) give_up("what to do? publish, consume, both, roundtrip or first");
  options.what = words[1];
  const auto whole = [](auto& field) {
    return [&field](const std::string& value) {
      field = static_cast<std::remove_reference_t<decltype(field)>>(number(value));
    };
  };
  read_options({words + 2, words + count},
               {{"dialect", [&](const auto& value) { options.dialect = value; }},
                {"port", whole(options.port)},
                {"queue", [&](const auto& value) { options.queue = value; }},
                {"queues", whole(options.queues)},
                {"connections", whole(options.connections)},
                {"window", whole(options.window)},
                {"messages", whole(options.messages)},
                {"seconds", [&](const auto& value) { options.seconds = std::stod(value); }}});
  return options;
}

std::vector<std::string> queue_names(const Options& options) {
  if (options.queues == 1) return {options.queue};
  std::vector<std::string> names;
  for (unsigned n = 0; n < options.queues; ++n) names.push_back(options.queue + std::to_string(n));
  return names;
}

void declare_all(const Options& options) {
  std::string bytes;
  wire::amqp::TableWriter arguments(bytes);
  if (options.dialect == "quorum") arguments.add("x-queue-type", "quorum");
  // The others have no bound by default; ours would refuse a million and one.
  if (options.dialect == "penstock")
    arguments.add("x-max-length", std::int64_t{100'000'000})
        .add("x-max-length-bytes", std::int64_t{100} << 30)
        .add("x-overflow", "reject-publish");
  Session session(options.port);
  for (const auto& name : queue_names(options)) session.declare(name, arguments.view());
}

// One connection and what it does.
class Actor : public Heard {
 public:
  explicit Actor(const Options& options) : session(options.port) {}
  void confirmed(std::uint64_t, bool) override { give_up("a confirm for who publishes nothing"); }
  void delivered(std::uint64_t, Clock::time_point) override { give_up("a delivery for nobody"); }
  // Publishes that wait for their confirm.
  [[nodiscard]] virtual std::size_t waiting() const { return 0; }

  Session session;
};

// Keeps `window` publishes on their way, over all queues in turns, until the tally is full.
class Publisher : public Actor {
 public:
  Publisher(const Options& options, std::vector<std::string> queues, Tally& tally,
            std::vector<double>& latencies_us)
      : Actor(options),
        options_(options),
        queues_(std::move(queues)),
        tally_(tally),
        latencies_us_(latencies_us) {
    session.select_confirms();
  }

  void fill() {
    const auto now = Clock::now();
    while (waiting_ < options_.window && !tally_.over(now) && share_ > 0) {
      session.publish(queues_[next_++ % queues_.size()], now);
      sent_.push_back({now, false});
      ++waiting_;
      if (options_.messages > 0) --share_;
    }
    session.flush();
  }
  // Of the messages that are wanted in all.
  void set_share(std::uint64_t share) { share_ = share; }

  void confirmed(std::uint64_t tag, bool multiple) override {
    const auto now = Clock::now();
    if (multiple)
      while (!sent_.empty() && first_ <= tag) confirm(first_, now);
    else
      confirm(tag, now);
    fill();
  }
  [[nodiscard]] std::size_t waiting() const override { return waiting_; }

 private:
  struct Sent {
    Clock::time_point at;
    bool done;
  };

  // Confirms come in any order; the first of those that wait is the front.
  void confirm(std::uint64_t tag, Clock::time_point now) {
    if (tag < first_ || tag - first_ >= sent_.size()) give_up("a confirm for nothing");
    auto& sent = sent_[tag - first_];
    if (!sent.done) {
      sent.done = true;
      --waiting_;
      tally_.add(1, now);
      latencies_us_.push_back(seconds(now - sent.at) * 1e6);
    }
    while (!sent_.empty() && sent_.front().done) sent_.pop_front(), ++first_;
  }

  const Options& options_;
  std::vector<std::string> queues_;
  Tally& tally_;
  std::vector<double>& latencies_us_;
  std::deque<Sent> sent_;
  std::uint64_t first_ = 1, share_ = 1;
  std::size_t waiting_ = 0, next_ = 0;
};

// Acknowledges each delivery on its own, as most programs do.
class Consumer : public Actor {
 public:
  Consumer(const Options& options, const std::vector<std::string>& queues, Tally& tally,
           std::vector<double>& latencies_us)
      : Actor(options), tally_(tally), latencies_us_(latencies_us) {
    session.prefetch(options.window);
    for (const auto& queue : queues) session.consume(queue);
    session.flush();
  }
  void delivered(std::uint64_t tag, Clock::time_point sent) override {
    const auto now = Clock::now();
    if (!tally_.count(1, now)) return;  // the rest goes back when the connection ends
    latencies_us_.push_back(seconds(now - sent) * 1e6);
    session.acknowledge(tag, false);
  }

 private:
  Tally& tally_;
  std::vector<double>& latencies_us_;
};

using Actors = std::vector<std::unique_ptr<Actor>>;

class Loop {
 public:
  explicit Loop(const Actors& actors) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (const auto& actor : actors) {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = actor.get();
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, actor->session.fd(), &event);
      watch(*actor);
    }
  }
  ~Loop() { ::close(epoll_); }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // One round: what is there, or nothing until `patience` is over. False when nothing came.
  bool turn(Clock::duration patience) {
    epoll_event events[256];
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(patience).count();
    const int ready =
        ::epoll_wait(epoll_, events, 256, static_cast<int>(std::clamp<long>(wait, 0, 30'000)));
    for (int n = 0; n < ready; ++n) {
      auto& actor = *static_cast<Actor*>(events[n].data.ptr);
      if ((events[n].events & EPOLLOUT) != 0) actor.session.flush();
      if ((events[n].events & ~static_cast<unsigned>(EPOLLOUT)) != 0 &&
          !actor.session.receive(actor))
        give_up("the server closed a connection");
      watch(actor);
    }
    return ready > 0;
  }

 private:
  // Asks to be told when the rest can be written, and only then.
  void watch(Actor& actor) {
    auto& session = actor.session;
    if (session.watched == session.wants_to_write()) return;
    session.watched = session.wants_to_write();
    epoll_event event{};
    event.events = session.watched ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.ptr = &actor;
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, session.fd(), &event);
  }

  int epoll_;
};

std::size_t waiting(const Actors& actors) {
  std::size_t all = 0;
  for (const auto& actor : actors) all += actor->waiting();
  return all;
}

// A connection's share of the queues: one of them after the other, all when there are fewer.
std::vector<std::string> share_of(const std::vector<std::string>& queues, unsigned number,
                                  unsigned connections) {
  std::vector<std::string> mine;
  for (std::size_t n = number % queues.size(); n < queues.size(); n += connections)
    mine.push_back(queues[n]);
  return mine;
}

// Until every publish is confirmed.
void settle_down(Loop& loop, const Actors& actors) {
  while (waiting(actors) > 0)
    if (!loop.turn(std::chrono::seconds(30))) give_up("no confirm for 30 seconds");
}

std::vector<Publisher*> add_publishers(Actors& actors, const Options& options, Tally& tally,
                                       std::vector<double>& latencies_us) {
  const auto queues = queue_names(options);
  std::vector<Publisher*> publishers;
  for (unsigned n = 0; n < options.connections; ++n) {
    auto one = std::make_unique<Publisher>(options, share_of(queues, n, options.connections), tally,
                                           latencies_us);
    if (options.messages > 0)
      one->set_share(options.messages / options.connections +
                     (n < options.messages % options.connections ? 1 : 0));
    publishers.push_back(one.get());
    actors.push_back(std::move(one));
  }
  return publishers;
}

int publish(const Options& options) {
  Actors actors;
  std::vector<double> latencies;
  Tally nothing(1, 0), tally = nothing;
  const auto publishers = add_publishers(actors, options, tally, latencies);
  Loop loop(actors);
  tally = Tally(options.messages, options.seconds);
  for (auto* one : publishers) one->fill();
  settle_down(loop, actors);
  report(tally.done(), tally.seconds_taken(), latencies);
  return 0;
}

int consume(const Options& options) {
  Actors actors;
  std::vector<double> latencies;
  Tally tally(options.messages, options.seconds);
  const auto queues = queue_names(options);
  for (unsigned n = 0; n < options.connections; ++n)
    actors.push_back(std::make_unique<Consumer>(options, share_of(queues, n, options.connections),
                                                tally, latencies));
  Loop loop(actors);
  while (!tally.over(Clock::now()))
    if (!loop.turn(tally.left(Clock::now())) && options.messages > 0)
      give_up("no delivery for 30 seconds");
  latencies.clear();  // the time in the queue says nothing here
  report(tally.done(), tally.seconds_taken(), latencies);
  return 0;
}

// Publishers and consumers at the same time, until all that was published in the time is delivered;
// the latency is from publish to delivery.
int both(const Options& options) {
  Actors actors;
  std::vector<double> confirm_us, delivery_us;
  const std::uint64_t all = UINT64_MAX;
  Tally published(0, 0), delivered(all, 0);
  const auto publishers = add_publishers(actors, options, published, confirm_us);
  const auto queues = queue_names(options);
  for (unsigned n = 0; n < options.connections; ++n)
    actors.push_back(std::make_unique<Consumer>(options, share_of(queues, n, options.connections),
                                                delivered, delivery_us));
  Loop loop(actors);
  published = Tally(0, options.seconds);
  delivered = Tally(all, 0);
  for (auto* one : publishers) one->fill();
  while (waiting(actors) > 0 || delivered.done() < published.done())
    if (!loop.turn(std::chrono::seconds(30))) give_up("nothing came for 30 seconds");
  report(delivered.done(), delivered.seconds_taken(), delivery_us);
  return 0;
}

// The time until the consumer has a message; the next is published when this one is confirmed.
int roundtrip(const Options& options) {
  Options one = options;
  one.window = one.connections = one.queues = 1;
  Actors actors;
  std::vector<double> confirm_us, delivery_us;
  Tally published(0, 0), delivered(0, one.seconds + 3600);
  auto* publisher = add_publishers(actors, one, published, confirm_us).front();
  actors.push_back(std::make_unique<Consumer>(one, std::vector{one.queue}, delivered, delivery_us));
  Loop loop(actors);
  const Tally time(0, one.seconds);
  std::uint64_t count = 0;
  while (!time.over(Clock::now())) {
    ++count;
    publisher->set_share(1);
    published = Tally(count, 0);
    publisher->fill();
    while (delivered.done() < count || publisher->waiting() > 0)
      if (!loop.turn(std::chrono::seconds(30))) give_up("the message did not come");
  }
  report(delivered.done(), delivered.seconds_taken(), delivery_us);
  return 0;
}

// Asks a server that is about to start for its first OK, and prints the time of the system's
// monotonic clock at which it came.
int first(const Options& options) {
  std::printf("trying\n");
  std::fflush(stdout);
  wait_for_listener(options.port);
  declare_all(options);
  Options one = options;
  one.messages = one.window = one.connections = 1;
  Actors actors;
  std::vector<double> latencies;
  Tally tally(1, 0);
  auto* publisher = add_publishers(actors, one, tally, latencies).front();
  Loop loop(actors);
  publisher->fill();
  settle_down(loop, actors);
  std::printf("%.6f\n", seconds(Clock::now().time_since_epoch()));
  return 0;
}

}  // namespace
}  // namespace penstock::peers

int main(int count, char** words) {
  using namespace penstock::peers;
  const std::map<std::string, int (*)(const Options&)> all{{"publish", publish},
                                                           {"consume", consume},
                                                           {"both", both},
                                                           {"roundtrip", roundtrip},
                                                           {"first", first}};
  const auto options = read_all(count, words);
  const auto found = all.find(options.what);
  if (found == all.end())
    give_up("publish, consume, both, roundtrip or first, not " + options.what);
  if (options.what != "first") declare_all(options);
  return found->second(options);
}
