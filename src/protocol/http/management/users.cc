// Users, for administrators. The hashes of passwords are told with the definitions only.
#include "base/text.h"
#include "protocol/http/management/answers.h"
#include "protocol/http/management/handlers.h"
#include "protocol/http/management/user_declarations.h"

namespace penstock::protocol::http::management {
namespace {

void on_put(Exchange& exchange, const broker::Done& done) {
  exchange.answer_nothing(done.created ? 201 : 204);
}
void on_gone(Exchange& exchange, const broker::Done&) {
  exchange.answer_nothing(204);
}

// With its hash in `note`, and its roles in `number`.
void store_user(Exchange& exchange) {
  const engine::UserChange change{exchange.parameter(), exchange.note,
                                  static_cast<engine::Roles>(exchange.number)};
  const auto tag = exchange.expect<on_put>();
  exchange.broker().put_user(exchange.session().id(), tag, change);
}

void list_users(Exchange& exchange, bool (*wanted)(const engine::User&)) {
  auto rows = Rows::begin(exchange);
  if (!rows) return;
  const auto access = exchange.broker().access(exchange.session().id());
  if (!access) return exchange.answer_error(access.error());
  for (const auto& [name, user] : (*access)->users())
    if (wanted(*user) && rows->wants(name)) write_user(rows->json(), *user, Hashes::hidden);
  rows->answer();
}

}  // namespace

const engine::User* user_in_path(Exchange& exchange, std::size_t at) {
  const auto access = exchange.broker().access(exchange.session().id());
  if (!access) return exchange.answer_error(access.error()), nullptr;
  const auto* user = (*access)->find(exchange.parameter(at));
  if (user == nullptr)
    answer_when_durable(
        exchange,
        Error{ErrorCode::not_found, "there is no user " + quoted(exchange.parameter(at)), {}});
  return user;
}

void get_users(Exchange& exchange) {
  list_users(exchange, [](const engine::User&) { return true; });
}
void get_users_without_permissions(Exchange& exchange) {
  list_users(exchange, [](const engine::User& user) { return user.permissions.empty(); });
}

void get_user(Exchange& exchange) {
  const auto* user = user_in_path(exchange);
  if (user == nullptr) return;
  JsonText json(exchange.text());
  write_user(json, *user, Hashes::hidden);
  exchange.answer_json_when_durable(200);
}

void put_user(Exchange& exchange) {
  const auto body = body_of(exchange);
  if (!body) return;
  Fields fields(*body);
  const auto password = fields.text("password");
  const auto roles = read_tags(*body, "the body");
  if (!roles) return exchange.answer_error(roles.error());
  auto hash = read_password_hash(fields, "the body", exchange.service().settings().passwords);
  if (!hash) return exchange.answer_error(hash.error());
  if (!password.empty() && !hash->empty())
    return exchange.answer_error(Error{
        ErrorCode::invalid, "the body has both password and password_hash; give one of them", {}});
  exchange.number = *roles;
  exchange.note = std::move(*hash);
  if (!password.empty()) return exchange.hash_password(password, store_user);
  store_user(exchange);
}

void delete_user(Exchange& exchange) {
  const auto tag = exchange.expect<on_gone>();
  exchange.broker().remove_user(exchange.session().id(), tag, exchange.parameter());
}

}  // namespace penstock::protocol::http::management
