#include "protocol/http/management/answers.h"

#include <fmt/format.h>

#include "base/text.h"
#include "protocol/http/values.h"

namespace penstock::protocol::http::management {

Result<Name> make_name(std::string_view host, std::string_view name, std::string_view what) {
  if (auto valid = valid_name(host, "virtual host"); !valid) return fail(valid.error());
  if (auto valid = valid_name(name, what); !valid) return fail(valid.error());
  return Name{std::string(host), std::string(name), engine::scoped_name(host, name)};
}

void answer_when_durable(Exchange& exchange, const Error& error) {
  exchange.answer_error_when_durable(error);
}

void answer_none(Exchange& exchange, std::string_view what, const Name& name) {
  answer_when_durable(exchange,
                      Error{ErrorCode::not_found,
                            fmt::format("no {} '{}' in vhost '{}'", what, name.name, name.host),
                            {}});
}

std::optional<std::string> host_in_path(Exchange& exchange) {
  const auto host = exchange.parameter();
  if (!exchange.sees(host)) {
    exchange.answer_error(Error{ErrorCode::denied,
                                fmt::format("access to vhost '{}' refused for "
                                            "user '{}'",
                                            host, exchange.user()),
                                {}});
    return std::nullopt;
  }
  if (exchange.broker().topology().hosts().contains(host)) return std::string(host);
  answer_when_durable(
      exchange, Error{ErrorCode::not_found, fmt::format("no virtual host {}", quoted(host)), {}});
  return std::nullopt;
}

std::optional<Name> name_in_path(Exchange& exchange, std::string_view what, std::size_t at) {
  const auto host = host_in_path(exchange);
  if (!host) return std::nullopt;
  auto name = make_name(*host, exchange.parameter(at), what);
  if (name) return std::move(*name);
  exchange.answer_error(name.error());
  return std::nullopt;
}

std::optional<Name> exchange_in_path(Exchange& exchange, std::size_t at) {
  auto name = name_in_path(exchange, "exchange name", at);
  if (name && name->name == kDefaultExchange) {
    name->name.clear();
    name->scoped = engine::scoped_name(name->host, "");
  } else if (name && exchange.broker().topology().find(name->scoped) == nullptr) {
    answer_none(exchange, "exchange", *name);
    return std::nullopt;
  }
  return name;
}

std::optional<Name> queue_in_path(Exchange& exchange) {
  auto name = name_in_path(exchange, "queue name");
  if (!name) return std::nullopt;
  const auto known = exchange.broker().check_queue(exchange.session().id(), name->scoped);
  if (known || known.error().code != ErrorCode::not_found) return name;
  answer_none(exchange, "queue", *name);
  return std::nullopt;
}

std::optional<boost::json::value> body_of(Exchange& exchange) {
  auto body = control_json(exchange);
  if (body) return std::move(*body);
  exchange.answer_error(body.error());
  return std::nullopt;
}

// ---- lists

Rows::Rows(Exchange& exchange, std::uint64_t page, std::uint64_t page_size, std::string filter)
    : exchange_(exchange),
      text_(exchange.text()),
      json_(text_),
      page_(page),
      page_size_(page_size),
      filter_(std::move(filter)) {
  if (page_ != 0) json_.begin_object().key("items");
  json_.begin_array();
}

std::optional<Rows> Rows::begin(Exchange& exchange) {
  constexpr std::uint32_t kPagesMax = 1'000'000;
  constexpr std::uint32_t kPageSizeMax = 500;  // as RabbitMQ
  constexpr std::uint32_t kPageSize = 100;
  const auto size = count_in_query(exchange, "page_size", kPageSize, kPageSizeMax);
  const auto page = count_in_query(exchange, "page", 1, kPagesMax);
  if (!size || !page) {
    exchange.answer_error(size ? page.error() : size.error());
    return std::nullopt;
  }
  const auto wanted = exchange.query("page") ? *page : 0;
  return Rows(exchange, wanted, *size, exchange.query("name").value_or(""));
}

bool Rows::wants(std::string_view name) {
  ++total_;
  if (!filter_.empty() && name.find(filter_) == std::string_view::npos) return false;
  const auto place = filtered_++;
  if (page_ != 0 && place / page_size_ != page_ - 1) return false;
  if (text_.size() > kTextBytesMax) return false;
  ++written_;
  return true;
}

void Rows::answer() {
  if (page_ == 0 && written_ < filtered_)
    return exchange_.answer_error(
        Error{ErrorCode::too_large,
              fmt::format("the list is too long for one answer; ask for a part of its {} rows with "
                          "?page=1&page_size=500",
                          filtered_),
              {}});
  json_.end_array();
  if (page_ != 0) {
    json_.key("total_count").integer(total_).key("filtered_count").integer(filtered_);
    json_.key("item_count").integer(written_).key("page").integer(page_);
    json_.key("page_size").integer(page_size_);
    json_.key("page_count").integer((filtered_ + page_size_ - 1) / page_size_).end_object();
  }
  exchange_.answer_json_when_durable(200);
}

}  // namespace penstock::protocol::http::management
