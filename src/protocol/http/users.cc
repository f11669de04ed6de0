// Users, their permissions, and virtual hosts.
#include <vector>

#include "protocol/http/handlers.h"
#include "protocol/http/json_text.h"
#include "protocol/http/values.h"

namespace penstock::protocol::http {
namespace {

using wire::json::ObjectReader;

void write_user(JsonText& json, const engine::User& user) {
  json.begin_object().key("name").string(user.name).key("tags").begin_array();
  for (const auto& [role, name, meaning] : engine::kRoleNames)
    if ((user.roles & bit(role)) != 0) json.string(name);
  json.end_array().key("permissions").begin_array();
  for (const auto& [host, permission] : user.permissions) {
    json.begin_object().key("vhost").string(host);
    json.key("configure").string(permission.configure.text());
    json.key("write").string(permission.write.text());
    json.key("read").string(permission.read.text()).end_object();
  }
  json.end_array().key("topic_permissions").begin_array();
  for (const auto& [place, permission] : user.topic_permissions) {
    json.begin_object().key("vhost").string(place.first).key("exchange").string(place.second);
    json.key("write").string(permission.write.text());
    json.key("read").string(permission.read.text()).end_object();
  }
  json.end_array().end_object();
}

// What is known now is told when all of it is durable.
void on_durable(Exchange& exchange, const broker::Done&) {
  exchange.text() = exchange.note;
  exchange.answer_json(200);
}
void answer_when_durable(Exchange& exchange) {
  const auto tag = exchange.expect<on_durable>();
  exchange.broker().barrier(exchange.session().id(), tag);
}

void on_put(Exchange& exchange, const broker::Done& done) {
  JsonText json(exchange.text());
  json.begin_object().key("name").string(exchange.parameter());
  json.key("created").boolean(done.created).end_object();
  exchange.answer_json(done.created ? 201 : 200);
}
void on_gone(Exchange& exchange, const broker::Done&) {
  exchange.answer_nothing(204);
}

// "administrator,monitoring", or the same as an array.
Result<std::optional<engine::Roles>> read_tags(ObjectReader& in) {
  const auto* value = in.any("tags");
  if (value == nullptr || value->is_null()) return std::nullopt;
  std::string text;
  if (const auto* one = value->if_string()) {
    text.assign(one->data(), one->size());
  } else if (const auto* many = value->if_array()) {
    for (const auto& item : *many) {
      if (!item.is_string()) return fail(ErrorCode::invalid, "a tag is text");
      text.append(item.get_string().data(), item.get_string().size()).push_back(',');
    }
  } else {
    return fail(ErrorCode::invalid, "tags are an array of texts");
  }
  auto roles = engine::parse_roles(text);
  if (!roles) return fail(std::move(roles.error()));
  return *roles;
}

void store_user(Exchange& exchange) {
  engine::UserChange change{exchange.parameter(), {}, {}};
  if (!exchange.note.empty()) change.password = exchange.note;
  if (exchange.number != 0) change.roles = static_cast<engine::Roles>(exchange.number - 1);
  const auto tag = exchange.expect<on_put>();
  exchange.broker().put_user(exchange.session().id(), tag, change);
}

// Hashing costs much: it is not done for who may not store the hash.
bool may_store(Exchange& exchange, bool tags) {
  if (!tags && exchange.user() == exchange.parameter()) return true;
  const auto allowed =
      exchange.broker().may_as(exchange.session().id(), engine::Role::administrator);
  if (!allowed) exchange.answer_error(allowed.error());
  return allowed.has_value();
}

std::string vhost_in_query(const Exchange& exchange) {
  return exchange.query("vhost").value_or("/");
}

}  // namespace

void get_users(Exchange& exchange) {
  const auto access = exchange.broker().access(exchange.session().id());
  if (!access) return exchange.answer_error(access.error());
  exchange.note.clear();
  JsonText json(exchange.note);
  json.begin_object().key("users").begin_array();
  for (const auto& [name, user] : (*access)->users()) write_user(json, *user);
  json.end_array().end_object();
  answer_when_durable(exchange);
}

void get_user(Exchange& exchange) {
  const auto access = exchange.broker().access(exchange.session().id());
  if (!access) return exchange.answer_error(access.error());
  const auto* user = (*access)->find(exchange.parameter());
  if (user == nullptr)
    return exchange.answer_error(404, "not_found", "there is no such user",
                                 "make it: penstock user add NAME");
  exchange.note.clear();
  JsonText json(exchange.note);
  write_user(json, *user);
  answer_when_durable(exchange);
}

void put_user(Exchange& exchange) {
  const auto body = control_json(exchange);
  if (!body) return exchange.answer_error(body.error());
  ObjectReader in(*body);
  const auto password = in.text("password");
  const auto hash = in.text("password_hash");
  const auto tags = read_tags(in);
  if (const auto good = in.finish(); !good) return exchange.answer_error(good.error());
  if (!tags) return exchange.answer_error(tags.error());
  if (password && hash)
    return exchange.answer_error(400, "invalid", "password and password_hash exclude each other",
                                 "give one of them");
  if (!may_store(exchange, tags->has_value())) return;
  exchange.number = *tags ? 1u + **tags : 0u;
  exchange.note.clear();
  if (password) return exchange.hash_password(*password, store_user);
  if (hash) {
    const auto* passwords = exchange.service().settings().passwords;
    if (passwords == nullptr)
      return exchange.answer_error(501, "unsupported", "this server checks no passwords", "");
    if (auto good = passwords->accepts(*hash); !good) return exchange.answer_error(good.error());
    exchange.note = *hash;
  }
  store_user(exchange);
}

void delete_user(Exchange& exchange) {
  const auto tag = exchange.expect<on_gone>();
  exchange.broker().remove_user(exchange.session().id(), tag, exchange.parameter());
}

void put_permission(Exchange& exchange) {
  const auto body = control_json(exchange);
  if (!body) return exchange.answer_error(body.error());
  ObjectReader in(*body);
  engine::PermissionSpec permission;
  permission.user = exchange.parameter();
  permission.host = in.text("vhost").value_or("/");
  permission.configure = in.required_text("configure");
  permission.write = in.required_text("write");
  permission.read = in.required_text("read");
  if (const auto good = in.finish(); !good) return exchange.answer_error(good.error());
  const auto tag = exchange.expect<on_gone>();
  exchange.broker().grant(exchange.session().id(), tag, permission);
}

void delete_permission(Exchange& exchange) {
  const auto tag = exchange.expect<on_gone>();
  exchange.broker().revoke(exchange.session().id(), tag, exchange.parameter(),
                           vhost_in_query(exchange));
}

void put_topic_permission(Exchange& exchange) {
  const auto body = control_json(exchange);
  if (!body) return exchange.answer_error(body.error());
  ObjectReader in(*body);
  engine::TopicPermissionSpec permission;
  permission.user = exchange.parameter();
  permission.host = in.text("vhost").value_or("/");
  permission.exchange = in.required_text("exchange");
  permission.write = in.required_text("write");
  permission.read = in.required_text("read");
  if (const auto good = in.finish(); !good) return exchange.answer_error(good.error());
  const auto tag = exchange.expect<on_gone>();
  exchange.broker().grant_topic(exchange.session().id(), tag, permission);
}

void delete_topic_permission(Exchange& exchange) {
  const auto tag = exchange.expect<on_gone>();
  exchange.broker().revoke_topic(exchange.session().id(), tag, exchange.parameter(),
                                 vhost_in_query(exchange), exchange.query("exchange").value_or(""));
}

void get_vhosts(Exchange& exchange) {
  const auto session = exchange.session().id();
  exchange.note.clear();
  JsonText json(exchange.note);
  json.begin_object().key("vhosts").begin_array();
  for (const auto& host : exchange.broker().topology().hosts())
    if (exchange.broker().sees(session, host))
      json.begin_object().key("name").string(host).end_object();
  json.end_array().end_object();
  answer_when_durable(exchange);
}

void put_vhost(Exchange& exchange) {
  const auto tag = exchange.expect<on_put>();
  exchange.broker().declare_host(exchange.session().id(), tag, exchange.parameter());
}

void delete_vhost(Exchange& exchange) {
  const auto tag = exchange.expect<on_gone>();
  const std::string host(exchange.parameter());
  exchange.broker().remove_host(exchange.session().id(), tag, host);
  auto* connections = exchange.service().settings().connections;
  if (connections != nullptr && !exchange.broker().topology().hosts().contains(host))
    connections->close_connections_of(host, "vhost '" + host + "' is down");
}

}  // namespace penstock::protocol::http
