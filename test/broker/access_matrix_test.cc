// Every command of the broker, asked by everybody, on every path: whoever has exactly the rights
// that the table names may, and whoever lacks one of them may not, and changes nothing.
//
// The commands are read from broker.h: one without a line here fails the test.
#include <fmt/format.h>

#include <fstream>
#include <set>

#include "test/broker/access_fixture.h"

namespace penstock::broker {
namespace {

using Patch = std::vector<std::pair<std::string_view, std::string_view>>;

struct Need {
  Right right;
  std::string_view name;  // of a queue or an exchange, in "/"
};

// Commands that touch nothing but what their session holds already, or only tell what time it is.
// Nobody is asked for them; who ended has nothing left that they could touch.
const std::set<std::string> kOfOneself = {"cancel_take",     "add_credit",    "add_pool_credit",
                                          "cancel_consumer", "forget_pool",   "barrier",
                                          "log_out",         "close_session", "resume"};
// What the others ask; covered by their tests, and by the commands that use them.
const std::set<std::string> kQuestions = {"may", "may_enter", "may_as", "sees", "log_in"};

constexpr std::pair<std::string_view, std::string_view> kWeight[]{{"weight", "3"}};
constexpr std::pair<std::string_view, std::string_view> kPaused[]{{"paused", "true"}};

class World;

struct Case {
  std::string command, path;
  std::vector<Need> needs;
  std::function<Got(World&)> run;
  enum class Else : std::uint8_t {
    nothing,
    enters,         // any permission in the virtual host
    logged_in,      // any user: a lease proves itself, a list is of what one may see
    administrator,  // and no right
  } otherwise = Else::nothing;
};

// The broker that each case is tried on, anew.
class World final : public AccessTest {
 public:
  enum class Users : std::uint8_t { some, none };
  explicit World(Users users = Users::some) {
    // "target" is published to by dead letters, alternates and redrives.
    for (const auto* name : {"q", "target", "full"}) declare(name, {});
    declare("full", {{"overflow", "block"}, {"max_length", "1"}});
    declare("dying", {{"dead_letter", "target"}, {"max_attempts", "1"}});
    for (const auto* name : {"x", "spare"}) {
      engine::ExchangeSpec spec;
      spec.name = name;
      spec.type = name[0] == 'x' ? engine::ExchangeType::topic : engine::ExchangeType::fanout;
      broker->declare_exchange(session, ++tag, spec);
    }
    engine::BindingSpec bound;
    bound.source = "x";
    bound.destination = "q";
    bound.key = "k";
    broker->bind(session, ++tag, bound);
    send("full", "a");
    const Input held[]{input("x")};
    broker->publish_wait(session, ++tag, {"full", held}, clock.now() + 1h);
    send("dying", "dead");
    const auto dying = take("dying").messages[0];
    settle({dying.lease}, engine::Outcome::reject);
    dead_id = MessageId(dying.id);
    Input task = input("[]");
    task.task = true;
    task_id = MessageId(send("q", {task}).ids[0]);
    broker->put_schedule(session, ++tag, scheduled("s"));
    broker->set_group(session, ++tag, "q", "g", kWeight);
    broker->settle_down();
    engine::WorkflowNodeInput step;
    step.queue = "q";
    step.message = task;
    engine::WorkflowInput workflow;
    workflow.nodes = {&step, 1};
    broker->submit(session, ++tag, workflow);
    workflow_id = MessageId(wait(tag).ids[0]);
    if (users == Users::none) return;
    add_administrator();
    put_user("somebody");
  }

  // ---- the commands, each as somebody might ask for it; each gives the answer
  Got ask(std::function<void(Tag)> command) {
    command(++tag);
    return wait(tag, client->sink);
  }
  SessionId who() const { return client->session; }
  static engine::BindingSpec binding(bool to_exchange = false) {
    engine::BindingSpec spec;
    spec.source = "x";
    spec.to_exchange = to_exchange;
    spec.destination = to_exchange ? "spare" : "target";
    spec.key = "k";
    return spec;
  }
  engine::RoutedPublish routed(std::string_view exchange) {
    static constexpr std::string_view kKeys[]{"k"};
    engine::RoutedPublish publish;
    publish.exchange = exchange;
    publish.keys = kKeys;
    publish.message = input("x");
    return publish;
  }
  static engine::ScheduleSpec scheduled(std::string_view name) {
    engine::ScheduleSpec spec;
    spec.name = name;
    spec.when = "@daily";
    spec.queue = "q";
    return spec;
  }
  static engine::WorkerSpec worker() {
    engine::WorkerSpec spec;
    spec.id = 1;
    spec.name = "w";
    spec.queues = {"q"};
    return spec;
  }
  Got do_declare(std::string_view queue, Patch patch = {}) {
    return ask([&](Tag t) { broker->declare(who(), t, queue, patch); });
  }
  Got do_declare_exchange(std::string_view alternate) {
    engine::ExchangeSpec spec;
    spec.name = "new-x";
    spec.alternate = alternate;
    return ask([&](Tag t) { broker->declare_exchange(who(), t, spec); });
  }
  Got do_publish(std::string_view queue) {
    const Input messages[]{input("x")};
    return ask([&](Tag t) { broker->publish(who(), t, {queue, messages}); });
  }
  // Somebody else waits for room already, so that nothing is tried now.
  Got do_publish_wait() {
    const Input messages[]{input("x")};
    broker->publish_wait(who(), ++tag, {"full", messages}, clock.now() + 1s);
    const auto mine = tag;
    advance(2s);
    return wait(mine, client->sink);
  }
  Got do_take(std::string_view queue, Duration wait_for = 0s) {
    engine::Take take;
    take.queues = {std::string(queue)};
    take.wait_until = clock.now() + wait_for;
    const auto mine = ++tag;
    broker->take(who(), mine, take);
    broker->settle_down();
    broker->cancel_take(who(), mine);
    return wait(mine, client->sink);
  }
  Got do_consume() {
    engine::Consume consume;
    consume.queue = "q";
    consume.credit = 1;
    consume.bytes = 1;
    return ask([&](Tag t) { broker->consume(who(), t, 1'000'000 + t, consume); });
  }
  Got do_settle(std::string_view sends_to) {
    const Input messages[]{input("x")};
    const engine::Publish sends[]{{sends_to, messages}};
    engine::Settle settle;
    if (!sends_to.empty()) settle.sends = sends;
    return ask([&](Tag t) { broker->settle(who(), t, settle); });
  }
  // A workflow of one step; in the place of a task that is nobody's, or by itself.
  Got do_submit(bool as_replacement) {
    engine::WorkflowNodeInput one;
    one.queue = "target";
    one.message = input("{\"args\":[]}");
    one.message.task = true;
    engine::WorkflowInput workflow;
    workflow.nodes = {&one, 1};
    engine::Settle settle;
    settle.replacement = &workflow;
    return ask([&](Tag t) {
      as_replacement ? broker->settle(who(), t, settle) : broker->submit(who(), t, workflow);
    });
  }
  Got do_transact() {
    const engine::RoutedPublish publishes[]{routed("x")};
    return ask([&](Tag t) { broker->transact(who(), t, publishes, {}); });
  }
  Got do_offer() {
    ++tag;
    const auto offered = broker->offer_routed(who(), tag, routed("x"));
    return offered.error ? failed(*offered.error) : wait(tag, client->sink);
  }
  template <class T>
  Got answer_of(const Result<T>& result) {
    if (!result) return failed(result.error());
    Got got;
    got.kind = "done";
    return got;
  }
  static Got failed(const Error& error) {
    Got got;
    got.kind = "error";
    got.error = error;
    return got;
  }

  // ---- who asks
  void become(const std::vector<Need>& needs, std::string_view host = "/") {
    const auto pattern = [&](Right right) {
      std::string text;
      for (const auto& need : needs)
        if (need.right == right) text += fmt::format("{}^{}$", text.empty() ? "" : "|", need.name);
      return text;
    };
    grant("somebody", pattern(Right::configure), pattern(Right::write), pattern(Right::read), host);
    client = as("somebody");
  }
  void expect_allowed(const Case& one) {
    const auto got = one.run(*this);
    EXPECT_FALSE(is_denied(got)) << one.command << " " << one.path << ": " << got.error.message;
    EXPECT_NE(got.kind, "nothing") << one.command << " " << one.path << " was not answered";
  }
  void expect_denied(const Case& one, std::string_view who_asks) {
    broker->settle_down();
    const auto before = broker->statistics().journal.records;
    const auto got = one.run(*this);
    EXPECT_TRUE(is_denied(got)) << one.command << " " << one.path << " by " << who_asks << ": "
                                << got.kind << " " << got.error.message;
    EXPECT_EQ(broker->statistics().journal.records, before) << one.command << " " << one.path;
  }
  using AccessTest::as, AccessTest::broker, AccessTest::grant, AccessTest::guest,
      AccessTest::put_user, AccessTest::remove_user, AccessTest::session, AccessTest::tag;
  std::unique_ptr<Client> client;
  MessageId task_id, workflow_id, dead_id;

 private:
  void TestBody() override {}
};

#define RUN(expression) [](World& m) -> Got { return expression; }
#define ASK(call) [](World& m) -> Got { return m.ask([&](Tag t) { m.broker->call; }); }

// ---- messages
std::vector<Case> cases_of_messages() {
  using enum Right;
  return {
      {"publish", "", {{write, "q"}}, RUN(m.do_publish("q"))},
      {"publish", "declares", {{write, "new"}, {configure, "new"}}, RUN(m.do_publish("new"))},
      {"publish_wait", "behind others", {{write, "full"}}, RUN(m.do_publish_wait())},
      {"publish_routed", "", {{write, "x"}}, ASK(publish_routed(m.who(), t, m.routed("x")))},
      {"publish_routed",
       "default",
       {{write, "amq.default"}},
       ASK(publish_routed(m.who(), t, m.routed("")))},
      {"offer_routed", "", {{write, "x"}}, RUN(m.do_offer())},
      {"transact", "", {{write, "x"}}, RUN(m.do_transact())},
      {"count_routes",
       "",
       {{write, "x"}},
       RUN(m.answer_of(m.broker->count_routes(m.who(), m.routed("x"))))},
      {"take", "", {{read, "q"}}, RUN(m.do_take("q"))},
      {"take", "declares", {{read, "new"}, {configure, "new"}}, RUN(m.do_take("new", 1s))},
      {"consume", "", {{read, "q"}}, RUN(m.do_consume())},
      {"settle", "sends", {{write, "target"}}, RUN(m.do_settle("target"))},
      {"settle", "replaces", {{write, "target"}}, RUN(m.do_submit(true))},
      {"submit", "", {{write, "target"}}, RUN(m.do_submit(false))},
  };
}

// ---- queues, exchanges, tasks
std::vector<Case> cases_of_topology() {
  using enum Right;
  return {
      {"declare", "", {{configure, "new"}}, RUN(m.do_declare("new"))},
      {"declare", "changes", {{configure, "q"}}, RUN(m.do_declare("q", {{"paused", "true"}}))},
      {"declare",
       "dead letters",
       {{configure, "new"}, {read, "new"}, {write, "target"}},
       RUN(m.do_declare("new", {{"dead_letter", "target"}}))},
      {"declare",
       "changed dead letters",
       {{configure, "q"}, {read, "q"}, {write, "target"}},
       RUN(m.do_declare("q", {{"dead_letter", "target"}}))},
      {"declare",
       "dead letters by exchange",
       {{configure, "new"}, {read, "new"}, {write, "spare"}},
       RUN(m.do_declare("new", {{"dead_letter_exchange", "spare"}}))},
      {"declare",
       "dead letters by the default exchange",
       {{configure, "new"}, {read, "new"}, {write, "amq.default"}},
       RUN(m.do_declare("new", {{"dead_letter_exchange", "amq.default"}}))},
      {"change", "", {{configure, "q"}}, ASK(change(m.who(), t, "q", kPaused))},
      {"declare_same", "new", {{configure, "new"}}, ASK(declare_same(m.who(), t, "new", {}))},
      {"declare_same", "there", {{configure, "q"}}, ASK(declare_same(m.who(), t, "q", {}))},
      {"remove", "", {{configure, "q"}}, ASK(remove(m.who(), t, "q"))},
      {"purge", "", {{read, "q"}}, ASK(purge(m.who(), t, "q"))},
      {"browse", "", {{read, "q"}}, ASK(browse(m.who(), t, "q", 1))},
      {"redrive",
       "its own",
       {{read, "dying"}, {read, "target"}, {write, "dying"}},
       ASK(redrive(m.who(), t, "dying", 0))},
      {"redrive",
       "all dead letters",
       {{read, "target"}, {write, "dying"}},
       ASK(redrive(m.who(), t, "target", 0))},
      {"declare_exchange", "", {{configure, "new-x"}}, RUN(m.do_declare_exchange(""))},
      {"declare_exchange",
       "alternate",
       {{configure, "new-x"}, {read, "new-x"}, {write, "spare"}},
       RUN(m.do_declare_exchange("spare"))},
      {"remove_exchange", "", {{configure, "x"}}, ASK(remove_exchange(m.who(), t, "x", false))},
      {"bind", "", {{write, "target"}, {read, "x"}}, ASK(bind(m.who(), t, World::binding()))},
      {"bind",
       "exchanges",
       {{write, "spare"}, {read, "x"}},
       ASK(bind(m.who(), t, World::binding(true)))},
      {"unbind", "", {{write, "target"}, {read, "x"}}, ASK(unbind(m.who(), t, World::binding()))},
      {"task", "as who works", {{read, "q"}}, ASK(task(m.who(), t, m.task_id, Time{}))},
      {"task", "as who submits", {{write, "q"}}, ASK(task(m.who(), t, m.task_id, Time{}))},
      {"cancel_task", "", {{write, "q"}}, ASK(cancel_task(m.who(), t, m.task_id))},
      {"cancel_task", "workflow", {{write, "q"}}, ASK(cancel_task(m.who(), t, m.workflow_id))},
      {"task", "workflow", {{read, "q"}}, ASK(task(m.who(), t, m.workflow_id, Time{}))},
      {"resume_workflow", "", {{write, "q"}}, ASK(resume_workflow(m.who(), t, m.workflow_id))},
  };
}

// ---- schedules
std::vector<Case> cases_of_schedules() {
  using enum Right;
  return {
      {"put_schedule",
       "",
       {{configure, "new"}, {write, "q"}},
       ASK(put_schedule(m.who(), t, World::scheduled("new")))},
      {"remove_schedule", "", {{configure, "s"}}, ASK(remove_schedule(m.who(), t, "s"))},
      {"pause_schedule", "", {{configure, "s"}}, ASK(pause_schedule(m.who(), t, "s", true))},
      {"trigger_schedule",
       "",
       {{configure, "s"}, {write, "q"}},
       ASK(trigger_schedule(m.who(), t, "s"))},
      {"schedule", "", {{read, "s"}}, RUN(m.answer_of(m.broker->schedule(m.who(), "s")))},
  };
}

// ---- groups
std::vector<Case> cases_of_groups() {
  using enum Right;
  return {
      {"set_group", "", {{configure, "q"}}, ASK(set_group(m.who(), t, "q", "g", kWeight))},
      {"reset_group", "", {{configure, "q"}}, ASK(reset_group(m.who(), t, "q", "g"))},
  };
}

// ---- workers, and what is done about tasks that failed
std::vector<Case> cases_of_workers() {
  using enum Right;
  return {
      {"announce_worker", "", {{read, "q"}}, ASK(announce_worker(m.who(), t, World::worker()))},
      {"task_log", "as who works", {{read, "q"}}, ASK(task_log(m.who(), t, m.task_id, 0, Time{}))},
      {"task_log",
       "as who submits",
       {{write, "q"}},
       ASK(task_log(m.who(), t, m.task_id, 0, Time{}))},
      {"redrive_some",
       "its own",
       {{read, "dying"}, {read, "target"}, {write, "dying"}},
       ASK(redrive_some(m.who(), t, "dying", {}))},
      {"redrive_some",
       "all dead letters",
       {{read, "target"}, {write, "dying"}},
       ASK(redrive_some(m.who(), t, "target", {}))},
      {"retry_task",
       "",
       {{read, "target"}, {write, "dying"}},
       ASK(retry_task(m.who(), t, m.dead_id))},
  };
}

// ---- what takes another right, or none
std::vector<Case> other_cases() {
  using enum Case::Else;
  return {
      {"queue", "", {}, ASK(queue(m.who(), t, "q")), enters},
      {"check_queue", "", {}, RUN(m.answer_of(m.broker->check_queue(m.who(), "q"))), enters},
      {"groups", "", {}, RUN(m.answer_of(m.broker->groups(m.who(), "q"))), enters},
      {"queues", "", {}, ASK(queues(m.who(), t)), logged_in},
      {"schedules", "", {}, RUN(m.answer_of(m.broker->schedules(m.who()))), logged_in},
      {"workflows", "", {}, ASK(workflows(m.who(), t, {}, 10)), logged_in},
      {"settle", "", {}, RUN(m.do_settle("")), logged_in},
      {"extend", "", {}, ASK(extend(m.who(), t, {}, 1s)), logged_in},
      {"progress", "", {}, ASK(progress(m.who(), t, {}, {})), logged_in},
      {"log_task", "", {}, ASK(log_task(m.who(), t, {}, {})), logged_in},
      {"beat_worker", "", {}, ASK(beat_worker(m.who(), t, {})), logged_in},
      {"workers", "", {}, RUN(m.answer_of(m.broker->workers(m.who()))), logged_in},
      {"worker_orders", "", {}, RUN(m.answer_of(m.broker->worker_orders(m.who()))), logged_in},
      {"order_workers", "", {}, ASK(order_workers(m.who(), t, {})), administrator},
      {"remove_worker_order", "", {}, ASK(remove_worker_order(m.who(), t, 1)), administrator},
      {"declare_host", "", {}, ASK(declare_host(m.who(), t, "h")), administrator},
      {"remove_host", "", {}, ASK(remove_host(m.who(), t, "h")), administrator},
      {"access", "", {}, RUN(m.answer_of(m.broker->access(m.who()))), administrator},
      {"put_user", "", {}, ASK(put_user(m.who(), t, {"u", "p", engine::Roles{0}})), administrator},
      {"remove_user", "", {}, ASK(remove_user(m.who(), t, "u")), administrator},
      {"grant", "", {}, ASK(grant(m.who(), t, {"admin", "/", "", "", ""})), administrator},
      {"revoke", "", {}, ASK(revoke(m.who(), t, "admin", "/")), administrator},
      {"grant_topic",
       "",
       {},
       ASK(grant_topic(m.who(), t, {"admin", "/", "x", "", ""})),
       administrator},
      {"revoke_topic", "", {}, ASK(revoke_topic(m.who(), t, "admin", "/", "x")), administrator},
  };
}

std::vector<Case> cases() {
  auto all = cases_of_messages();
  for (auto&& more : {cases_of_topology(), cases_of_schedules(), cases_of_groups(),
                      cases_of_workers(), other_cases()})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

#undef RUN
#undef ASK

TEST(AccessMatrix, EveryCommandOfTheBrokerHasItsRule) {
  std::set<std::string> known;
  for (const auto& one : cases()) known.insert(one.command);
  std::ifstream file(PENSTOCK_SOURCE_DIR "/src/broker/broker.h");
  std::size_t found = 0;
  for (std::string line; std::getline(file, line);) {
    const auto open = line.find("(SessionId");
    if (open == std::string::npos || line.find("//") < open) continue;
    const auto begin = line.rfind(' ', open) + 1;
    const auto name = line.substr(begin, open - begin);
    ++found;
    EXPECT_TRUE(known.contains(name) || kOfOneself.contains(name) || kQuestions.contains(name))
        << name << " has no line in this file: who may ask for it?";
  }
  EXPECT_GT(found, 40u);
}

TEST(AccessMatrix, WhoHasExactlyTheRightsMay) {
  for (const auto& one : cases()) {
    World world;
    world.become(one.needs);
    if (one.otherwise == Case::Else::administrator) world.client = world.as("admin");
    world.expect_allowed(one);
  }
}

TEST(AccessMatrix, WhoLacksOneOfThemMayNot) {
  for (const auto& one : cases())
    for (std::size_t without = 0; without < one.needs.size(); ++without) {
      World world;
      auto needs = one.needs;
      needs.erase(needs.begin() + static_cast<std::ptrdiff_t>(without));
      world.become(needs);
      world.expect_denied(one, fmt::format("one without right {}", without));
    }
}

TEST(AccessMatrix, RightsInAnotherVirtualHostAreNone) {
  for (const auto& one : cases()) {
    if (one.otherwise == Case::Else::logged_in) continue;
    World world;
    world.broker->declare_host(world.session, ++world.tag, "elsewhere");
    world.become(one.needs, "elsewhere");
    world.expect_denied(one, "one with rights elsewhere");
  }
}

TEST(AccessMatrix, AnAdministratorHasNoRightsButItsOwn) {
  for (const auto& one : cases()) {
    using enum Case::Else;
    if (one.otherwise == logged_in || one.otherwise == administrator) continue;
    World world;
    world.client = world.as("admin");
    world.expect_denied(one, "an administrator");
  }
}

TEST(AccessMatrix, AllRightsAndAllOtherTagsMakeNoAdministrator) {
  for (const auto& one : cases()) {
    if (one.otherwise != Case::Else::administrator) continue;
    World world;
    world.put_user("somebody", engine::parse_roles("monitoring,management,policymaker").value());
    world.grant("somebody", ".*", ".*", ".*");
    world.client = world.as("somebody");
    world.expect_denied(one, "a user with all rights");
  }
}

TEST(AccessMatrix, WhoIsNotLoggedInMayNothing) {
  for (const auto& one : cases()) {
    World world;
    world.client = world.guest();
    world.expect_denied(one, "a guest");
  }
}

TEST(AccessMatrix, WhoWasLoggedInMayNothingOnceItsUserIsGone) {
  for (const auto& one : cases()) {
    World world;
    world.become(one.needs);
    world.remove_user("somebody");
    world.expect_denied(one, "a user that is gone");
    world.client = world.as("admin");
    world.broker->log_out(world.client->session);
    world.expect_denied(one, "who logged out");
  }
}

TEST(AccessMatrix, WithoutUsersAGuestMayEverything) {
  for (const auto& one : cases()) {
    if (one.otherwise == Case::Else::administrator) continue;
    World world(World::Users::none);
    world.client = world.guest();
    world.expect_allowed(one);
  }
}

}  // namespace
}  // namespace penstock::broker
