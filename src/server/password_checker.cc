#include "server/password_checker.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <spdlog/spdlog.h>

#include <atomic>

#include "base/cursor.h"
#include "base/text.h"
#include "os/real_clock.h"
#include "server/password_hash.h"

namespace penstock::server {

using protocol::Proof;

namespace {

// "192.0.2.1:50000" without what changes from connection to connection.
std::string machine_of(std::string_view peer) {
  return std::string(peer.substr(0, peer.rfind(':')));
}

}  // namespace

// One question, while it waits and while it is hashed. Shared by the thread that hashes and whoever
// asked: either may be done with it first.
struct PasswordChecker::Work {
  ~Work() { ::OPENSSL_cleanse(password.data(), password.size()); }

  std::string password;
  std::atomic<bool> wanted = true;
  // Of a check.
  std::string user, key, against, peer;
  std::string machine;  // empty: this one
  bool known = false;   // there is such a user, with a password
  bool right = false;
  std::move_only_function<void(Proof)> told;
  // Of a hash.
  Result<std::string> hashed = std::string();
  Hashed made;
};

class PasswordChecker::Held final : public Ticket {
 public:
  explicit Held(std::shared_ptr<Work> work) : work_(std::move(work)) {}
  ~Held() override { work_->wanted.store(false, std::memory_order_relaxed); }

 private:
  std::shared_ptr<Work> work_;  // with the thread that hashes
};

PasswordChecker::PasswordChecker(net::Loop& home, broker::Broker& broker)
    : home_(home), broker_(broker) {
  secure_random(secret_.data(), secret_.size());
}
PasswordChecker::~PasswordChecker() = default;

std::optional<Proof> PasswordChecker::check(const Question& question,
                                            std::unique_ptr<Ticket>& ticket,
                                            std::move_only_function<void(Proof)> then) {
  auto work = std::make_shared<Work>();
  work->key = key_of(question);
  // Whose password everybody knows is known to everybody on this machine only, as RabbitMQ has it.
  const bool allowed = question.user != "guest" || question.from_loopback;
  const auto* hash = broker_.password_of(question.user);
  work->known = hash != nullptr && !hash->empty() && allowed;
  work->against = work->known ? *hash : std::string(nobodys_hash());
  if (const auto found = remembered_.find(work->key);
      work->known && found != remembered_.end() && found->second == work->against) {
    ++statistics_.right;
    ++statistics_.remembered;
    return Proof::right;
  }
  if (!question.from_loopback) work->machine = machine_of(question.peer);
  if (!has_room(work->machine)) {
    ++statistics_.busy;
    return Proof::busy;
  }
  work->peer = question.peer;
  work->user = question.user;
  work->password = question.password;
  work->told = std::move(then);
  run(std::move(work), ticket);
  return std::nullopt;
}

Result<void> PasswordChecker::hash(std::string_view password, std::unique_ptr<Ticket>& ticket,
                                   Hashed then) {
  if (waiting_ >= kWaitingMax) {
    ++statistics_.busy;
    return fail(ErrorCode::busy, "too many passwords wait to be hashed",
                "send it again in a second");
  }
  auto work = std::make_shared<Work>();
  work->password = password;
  work->made = std::move(then);
  run(std::move(work), ticket);
  return {};
}

Result<void> PasswordChecker::accepts(std::string_view hash) const {
  return check_password_hash(hash);
}

bool PasswordChecker::has_room(const std::string& machine) const {
  if (machine.empty()) return waiting_ < kWaitingMax;
  const auto found = waiting_from_.find(machine);
  const bool too_many = found != waiting_from_.end() && found->second >= kWaitingFromOneMax;
  return waiting_ < kWaitingFromAfarMax && !too_many;
}

void PasswordChecker::run(std::shared_ptr<Work> work, std::unique_ptr<Ticket>& ticket) {
  if (!background_) background_.emplace(home_);
  ++waiting_;
  if (!work->machine.empty()) ++waiting_from_[work->machine];
  ticket = std::make_unique<Held>(work);
  background_->run(
      [work] {
        if (!work->wanted.load(std::memory_order_relaxed)) return;
        if (work->made)
          work->hashed = hash_password(work->password);
        else
          work->right = is_password(work->against, work->password) && work->known;
      },
      [this, work] { finish(*work); });
}

void PasswordChecker::finish(Work& work) {
  --waiting_;
  if (!work.machine.empty())
    if (const auto from = waiting_from_.find(work.machine); --from->second == 0)
      waiting_from_.erase(from);
  if (!work.wanted.load(std::memory_order_relaxed)) return;
  if (work.made) {
    auto made = std::move(work.made);
    return made(std::move(work.hashed));
  }
  // The user may have been changed meanwhile.
  const auto* hash = broker_.password_of(work.user);
  const bool right = work.right && hash != nullptr && *hash == work.against;
  ++(right ? statistics_.right : statistics_.wrong);
  if (right)
    remember(work.key, work.against);
  else
    log_refusal(work);
  auto told = std::move(work.told);  // nothing of it is left for the other thread to end
  told(right ? Proof::right : Proof::wrong);
}

// Whoever tries passwords does not get to fill the log.
void PasswordChecker::log_refusal(const Work& work) {
  const auto now = broker_.now();
  if (now < next_log_) return;
  next_log_ = now + kLogPace;
  spdlog::warn("{} gave no right password for user {} ({} so far)", work.peer, quoted(work.user),
               statistics_.wrong);
}

std::string PasswordChecker::key_of(const Question& question) const {
  Bytes text;
  Encoder(text).text(question.user).text(question.password);
  std::string key(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  ::HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(key.data()), &size);
  ::OPENSSL_cleanse(text.data(), text.size());
  key.resize(size);
  return key;
}

void PasswordChecker::remember(const std::string& key, const std::string& hash) {
  if (!remembered_.insert_or_assign(key, hash).second) return;
  remembered_order_.push_back(key);
  if (remembered_order_.size() <= kRememberedMax) return;
  remembered_.erase(remembered_order_.front());
  remembered_order_.pop_front();
}

}  // namespace penstock::server
