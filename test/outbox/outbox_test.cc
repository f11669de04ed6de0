// The outbox on a real SQLite and a real PostgreSQL, and drainers that die at the worst moment.
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <penstock/outbox.hpp>
#include <penstock/testing.hpp>
#include <stop_token>
#include <thread>

namespace penstock::outbox {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string path = fs::temp_directory_path() / "penstock-outbox-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("mkdtemp: " + path);
    path_ = path;
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// The exit status of what runs in a child; -signal when one ended it.
int in_child(const std::function<void()>& work) {
  std::fflush(nullptr);  // or the child writes it, too
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      work();
    } catch (const std::exception& error) {
      (void)!::write(2, error.what(), std::string_view(error.what()).size());
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

// One connection to the database under test.
class Connection {
 public:
  virtual ~Connection() = default;
  virtual void run(const std::string& sql) = 0;
  [[nodiscard]] virtual Table& table() = 0;
};

class SqliteConnection final : public Connection {
 public:
  explicit SqliteConnection(const fs::path& file) {
    if (sqlite3_open(file.c_str(), &db_) != SQLITE_OK)
      throw std::runtime_error(sqlite3_errmsg(db_));
    sqlite3_busy_timeout(db_, 10'000);
    table_ = sqlite(db_);
  }
  ~SqliteConnection() override { sqlite3_close(db_); }
  void run(const std::string& sql) override {
    if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
      throw std::runtime_error(sqlite3_errmsg(db_));
  }
  Table& table() override { return *table_; }

 private:
  sqlite3* db_ = nullptr;
  std::unique_ptr<Table> table_;
};

class PostgresConnection final : public Connection {
 public:
  explicit PostgresConnection(const fs::path& folder)
      : connection_(
            PQconnectdb(("host=" + folder.string() + " user=penstock dbname=postgres").c_str())) {
    if (PQstatus(connection_) != CONNECTION_OK)
      throw std::runtime_error(PQerrorMessage(connection_));
    PQsetNoticeProcessor(
        connection_, [](void*, const char*) {}, nullptr);
    table_ = postgres(connection_);
  }
  ~PostgresConnection() override { PQfinish(connection_); }
  void run(const std::string& sql) override {
    PGresult* result = PQexec(connection_, sql.c_str());
    const bool good = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    if (!good) throw std::runtime_error(PQerrorMessage(connection_));
  }
  Table& table() override { return *table_; }

 private:
  PGconn* connection_;
  std::unique_ptr<Table> table_;
};

// A server of its own, on a socket in `folder`; it refuses to run as root.
class PostgresServer {
 public:
  explicit PostgresServer(const fs::path& folder) : folder_(folder) {
    for (const auto& version : fs::directory_iterator("/usr/lib/postgresql"))
      if (fs::exists(version.path() / "bin/pg_ctl")) programs_ = version.path() / "bin";
    if (const passwd* user = ::geteuid() == 0 ? ::getpwnam("postgres") : nullptr) {
      uid_ = user->pw_uid;
      gid_ = user->pw_gid;
      if (::chown(folder.c_str(), *uid_, *gid_) != 0) throw std::runtime_error("chown");
    }
    const std::string data = folder / "data", log = folder / "log";
    const std::string options = "-c listen_addresses='' -c fsync=off -k " + folder.string();
    started_ = program({"initdb", "-D", data, "-A", "trust", "-U", "penstock", "--no-sync"}) == 0 &&
               program({"pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start"}) == 0;
  }
  ~PostgresServer() {
    if (started_)
      program({"pg_ctl", "-D", (folder_ / "data").string(), "-m", "immediate", "-w", "stop"});
  }
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;
  [[nodiscard]] bool started() const { return started_; }

 private:
  int program(std::vector<std::string> words) {
    return in_child([&] {
      if (gid_ && (::setgid(*gid_) != 0 || ::setuid(*uid_) != 0)) ::_exit(126);
      if (::chdir(folder_.c_str()) != 0) ::_exit(126);
      if (std::freopen("/dev/null", "w", stdout) == nullptr) ::_exit(126);
      const std::string file = programs_ / words[0];
      std::vector<char*> arguments;
      for (auto& word : words) arguments.push_back(word.data());
      arguments.push_back(nullptr);
      ::execv(file.c_str(), arguments.data());
      ::_exit(127);
    });
  }

  const fs::path folder_;
  fs::path programs_;
  std::optional<uid_t> uid_;
  std::optional<gid_t> gid_;
  bool started_ = false;
};

struct Kind {
  const char* name;
  bool is_postgres;
};

class Outboxes : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam().is_postgres) {
      server_.emplace(folder_.path());
      ASSERT_TRUE(server_->started()) << "PostgreSQL did not start";
    }
    user_ = connect();
    user_->table().create_schema();
    user_->table().create_schema();  // again: no harm
    user_->run("CREATE TABLE orders (id integer)");
  }
  [[nodiscard]] std::unique_ptr<Connection> connect() const {
    if (GetParam().is_postgres) return std::make_unique<PostgresConnection>(folder_.path());
    return std::make_unique<SqliteConnection>(folder_.path() / "data.sqlite");
  }
  void order(int id, bool commit = true) {
    user_->run("BEGIN");
    user_->run("INSERT INTO orders VALUES (" + std::to_string(id) + ")");
    (void)enqueue(user_->table(), receipt_, id);
    user_->run(commit ? "COMMIT" : "ROLLBACK");
  }

  Folder folder_;
  std::optional<PostgresServer> server_;
  std::unique_ptr<Connection> user_;
  const Task<void(int)> receipt_ = remote_task<void(int)>("receipt", {.max_attempts = 7});
};

TEST_P(Outboxes, PublishWhatIsCommittedAndNothingElse) {
  testing::TestApp app;
  const auto own = connect();
  Drainer drainer(app.app(), own->table());
  order(1);
  order(2, false);
  order(3);
  EXPECT_EQ(drainer.drain(), 2U);
  EXPECT_EQ(app.arguments_of(receipt_), (std::vector{std::tuple(1), std::tuple(3)}));
  EXPECT_EQ(drainer.drain(), 0U);
  user_->run("BEGIN");
  (void)enqueue(user_->table(), receipt_, 4);
  EXPECT_THROW((void)user_->table().oldest(1), Conflict);
  if (GetParam().is_postgres) {
    EXPECT_EQ(drainer.drain(), 0U);  // another's, and not committed
  }
  user_->run("COMMIT");
  EXPECT_EQ(drainer.drain(), 1U);
}

TEST_P(Outboxes, KeepTheOptionsOfTheCall) {
  testing::TestApp app;
  const auto id = enqueue(user_->table(),
                          receipt_.with({.queue = "mail",
                                         .delay = 5min,
                                         .group = "g",
                                         .priority = 3,
                                         .expires = 1h,
                                         .headers = {{"a", "'b'"}}}),
                          1);
  EXPECT_EQ(id.size(), 32U);
  EXPECT_EQ(Drainer(app.app(), user_->table()).drain(), 1U);
  const auto one = app.enqueued().at(0);
  EXPECT_EQ(one.queue, "mail");
  EXPECT_EQ(one.key, id);
  EXPECT_EQ(one.not_before, app.now() + 5min);
  EXPECT_EQ(one.group, "g");
  EXPECT_EQ(one.priority, 3);
  EXPECT_EQ(one.expires, Duration(1h));
  EXPECT_EQ(one.headers, (Headers{{"a", "'b'"}}));
}

TEST_P(Outboxes, KeepTheTimeOutsOfTheCall) {
  testing::TestApp app;
  enqueue(user_->table(), receipt_.with({.timeout = 30s, .hard_timeout = 2min}), 1);
  EXPECT_EQ(Drainer(app.app(), user_->table()).drain(), 1U);
  EXPECT_EQ(app.enqueued().at(0).headers,
            (Headers{{"penstock-timeout", "30s"}, {"penstock-hard-timeout", "2m"}}));
}

// The table is the user's: one row must not end whoever drains it, again and again.
TEST_P(Outboxes, SetAsideWhatNoEnqueueOfOursWrote) {
  testing::TestApp app;
  Drainer drainer(app.app(), user_->table());
  const std::pair<const char*, const char*> rows[]{
      {"", "{}"},
      {"[]", "{}"},
      {"{\"args\":[]}", "{\"backoff\":{\"kind\":9,\"base\":1,\"cap\":1,\"jitter\":true}}"}};
  for (const auto& [payload, options] : rows)
    (void)user_->table().insert(
        {.task = "t", .queue = "default", .payload = payload, .options = options});
  order(1);
  EXPECT_EQ(drainer.drain(), 1U);
  EXPECT_TRUE(user_->table().oldest(10).empty());
}

TEST_P(Outboxes, KeepARowWhileTheQueueRefusesAndSetAsideWhatNeverGoes) {
  testing::TestApp app;
  Drainer drainer(app.app(), user_->table());
  (void)user_->table().insert({.task = "big",
                               .queue = "default",
                               .payload = "{\"args\":[\"" + std::string(2 << 20, 'x') + "\"]}",
                               .options = "{}"});
  order(1);
  EXPECT_EQ(drainer.drain(), 1U);  // the one behind it
  EXPECT_TRUE(user_->table().oldest(10).empty());
  order(2);
  app.refuse_next({.reason = "max_wait", .message = "not now"});
  EXPECT_THROW((void)drainer.drain(), Refused);
  EXPECT_EQ(drainer.drain(), 1U);
}

TEST_P(Outboxes, RunStopsThoughItsQueueRefuses) {
  App app = App::embedded(folder_.path() / "jobs");
  app.declare("default", {.max_length = 1});
  Drainer drainer(app, user_->table());
  order(1);
  order(2);
  std::stop_source stop;
  std::thread runs([&] { drainer.run(stop.get_token()); });
  while (app.queue("default").refused == 0) std::this_thread::yield();
  stop.request_stop();
  runs.join();
  EXPECT_EQ(user_->table().oldest(10).size(), 1u);
}

// Passes everything on, but dies instead of deleting.
class Deadly final : public Table {
 public:
  Deadly(Table& table, int survives) : table_(table), survives_(survives) {}
  void create_schema() override { table_.create_schema(); }
  std::string insert(const Row& row) override { return table_.insert(row); }
  std::vector<Row> oldest(std::size_t max) override { return table_.oldest(max); }
  void remove(const std::string& id) override {
    if (survives_-- == 0) ::kill(::getpid(), SIGKILL);
    table_.remove(id);
  }
  void set_aside(const std::string& id, std::string_view why) override {
    table_.set_aside(id, why);
  }

 private:
  Table& table_;
  int survives_;
};

TEST_P(Outboxes, PublishOnceAlthoughTheirDrainersAreKilledBetweenPublishAndDelete) {
  constexpr int kOrders = 40;
  for (int id = 0; id < kOrders; ++id) order(id);
  const fs::path jobs = folder_.path() / "jobs";
  user_.reset();  // SQLite's connections may not go through a fork
  for (int life = 0; life < 10; ++life) {
    EXPECT_EQ(in_child([&] {
                App app = App::embedded(jobs);
                const auto own = connect();
                Deadly deadly(own->table(), life % 3);
                (void)Drainer(app, deadly).drain();
              }),
              -SIGKILL);
  }
  App app = App::embedded(jobs);
  const auto own = connect();
  EXPECT_EQ(Drainer(app, own->table()).drain(), static_cast<std::size_t>(kOrders - 9));
  std::vector<std::string> bodies;
  for (const auto& message : app.receive("default", {.max = 1000}))
    bodies.emplace_back(message.body());
  ASSERT_EQ(bodies.size(), static_cast<std::size_t>(kOrders));
  for (int id = 0; id < kOrders; ++id)
    EXPECT_EQ(bodies[static_cast<std::size_t>(id)], "{\"args\":[" + std::to_string(id) + "]}");
}

INSTANTIATE_TEST_SUITE_P(On, Outboxes,
                         ::testing::Values(Kind{"SQLite", false}, Kind{"PostgreSQL", true}),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace penstock::outbox
