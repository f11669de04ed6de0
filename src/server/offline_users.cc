#include "server/offline_users.h"

#include "broker/broker.h"
#include "os/file.h"
#include "os/real_clock.h"
#include "server/password_hash.h"

namespace penstock::server {
namespace {

class Answer final : public broker::ReplySink {
 public:
  void on_reply(broker::Tag, const broker::Reply& reply) override {
    if (const auto* error = std::get_if<Error>(&reply)) result = fail(*error);
  }
  Result<void> result;
};

}  // namespace

Result<void> put_user_offline(const std::string& data, std::string_view name,
                              std::string_view password, std::optional<std::string_view> tags) {
  const auto hash = hash_password(password);
  if (!hash) return fail(hash.error());
  engine::UserChange change{name, *hash, {}};
  if (tags) {
    const auto roles = engine::parse_roles(*tags);
    if (!roles) return fail(roles.error());
    change.roles = *roles;
  }
  auto directory = open_directory(data);
  if (!directory) return fail(std::move(directory.error()));
  const auto clock = make_real_clock();
  const auto random = make_real_random();
  auto broker = broker::Broker::open(**directory, *clock, *random, {});
  if (!broker) return fail(std::move(broker.error()));
  Answer answer;
  (*broker)->put_user((*broker)->open_session(answer), 1, change);
  (*broker)->settle_down();
  (*broker)->close();
  return answer.result;
}

}  // namespace penstock::server
