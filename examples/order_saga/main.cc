// An order as a saga: reserve, charge, ship; when a step fails for good, those before it are
// undone, in the opposite order. It runs here on a clock of its own (penstock/testing.hpp), so that
// one can see retries of minutes, and dead workers, without waiting; on a real App it is the same
// code.
#include <chrono>
#include <iostream>
#include <map>
#include <penstock/testing.hpp>
#include <set>
#include <string>

using namespace std::chrono_literals;

namespace {

struct CardDeclined : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct NetworkDown : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Order {
  std::string id;
  std::string item;
  int cents = 0;
};
BOOST_DESCRIBE_STRUCT(Order, (), (id, item, cents))

// What the steps change elsewhere. Each change is by the order's id, because a task may run twice:
// whoever is asked a second time has nothing to do.
struct World {
  std::map<std::string, int> stock;
  std::set<std::string> reserved = {}, charged = {}, shipped = {};
};

class Saga {
 public:
  Saga(penstock::App& app, World& world) : app_(app), world_(world) {
    app.add(reserve_, charge_, ship_, refund_, release_);
  }
  void start(const Order& order) { next(reserve_, order); }

 private:
  using Step = penstock::Task<void(Order)>;

  // The key: a step that runs twice starts the one after it once.
  void next(const Step& step, const Order& order) {
    app_.enqueue(step.with({.key = order.id + "/" + step.name()}), order);
  }

  penstock::App& app_;
  World& world_;
  const penstock::TaskOptions patient_{
      .max_attempts = 20, .retry = {penstock::on<NetworkDown>(penstock::exponential(1s, 5min))}};

  // Undoing may not fail for good: it is tried until it is done.
  const Step release_ = penstock::task("release",
                                       [this](Order order) {
                                         if (world_.reserved.erase(order.id) > 0)
                                           ++world_.stock[order.item];
                                       },
                                       {.max_attempts = 0});
  const Step refund_ = penstock::task("refund",
                                      [this](Order order) {
                                        world_.charged.erase(order.id);
                                        next(release_, order);
                                      },
                                      {.max_attempts = 0});
  const Step ship_ = penstock::task(
      "ship",
      [this](Order order) {
        if (order.item == "piano")  // too heavy
          return next(refund_, order);
        world_.shipped.insert(order.id);
      },
      patient_);
  const Step charge_ = penstock::task(
      "charge",
      [this](Order order) {
        try {
          if (order.cents > 100'000) throw CardDeclined("limit");
          world_.charged.insert(order.id);
        } catch (const CardDeclined&) {
          return next(release_, order);
        }
        next(ship_, order);
      },
      patient_);
  const Step reserve_ = penstock::task(
      "reserve",
      [this](Order order) {
        if (!world_.reserved.contains(order.id)) {
          if (world_.stock[order.item] == 0) throw penstock::Permanent("sold out: " + order.item);
          --world_.stock[order.item];
          world_.reserved.insert(order.id);
        }
        next(charge_, order);
      },
      patient_);

 public:
  [[nodiscard]] const Step& charge() const { return charge_; }
  [[nodiscard]] const Step& ship() const { return ship_; }
};

void expect(bool good, const char* what) {
  std::cout << (good ? "as it should be: " : "WRONG: ") << what << "\n";
  if (!good) throw std::runtime_error(what);
}

}  // namespace

int main() {
  penstock::testing::TestApp app;
  World world{.stock = {{"book", 2}, {"piano", 1}, {"yacht", 1}}};
  Saga saga(app.app(), world);

  app.fail_next(saga.charge(), NetworkDown("no route to the bank"), 3);  // and is tried again
  app.kill_worker_after(saga.ship());                                    // and is run a second time
  saga.start({"o-1", "book", 1'500});
  app.run_to_end();
  expect(world.shipped.contains("o-1") && world.stock["book"] == 1, "one book is shipped");

  saga.start({"o-2", "yacht", 90'000'000});
  app.run_to_end();
  expect(world.stock["yacht"] == 1 && !world.charged.contains("o-2"),
         "the card is declined, and the yacht is there for others");

  saga.start({"o-3", "piano", 50'000});
  app.run_to_end();
  expect(world.stock["piano"] == 1 && !world.charged.contains("o-3"),
         "the piano cannot be shipped: the money goes back, then the piano");
}
