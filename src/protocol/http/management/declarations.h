// What RabbitMQ's tools declare things with, in requests and in definitions.
//
// Threads: one. Lifetime: they own their texts; a spec lives as long as what gave it.
#pragma once

#include <boost/json/value.hpp>

#include "broker/broker.h"
#include "protocol/amqp/arguments.h"
#include "protocol/http/management/answers.h"

namespace penstock::protocol::http::management {

// What a fault of AMQP means here.
[[nodiscard]] Error error_of(const amqp::Fault& fault);

class QueueDeclaration {
 public:
  // `value` has durable (false without, as in RabbitMQ), auto_delete and arguments; `what` begins
  // the errors.
  [[nodiscard]] static Result<QueueDeclaration> read(const Name& name,
                                                     const boost::json::value& value,
                                                     std::string what);
  // Answered with Queues (one) | Error.
  void declare(broker::Broker& broker, SessionId session, broker::Tag tag) const;

 private:
  Name name_;
  amqp::OptionList options_;
};

class ExchangeDeclaration {
 public:
  // `value` has type, durable, auto_delete, internal and arguments.
  [[nodiscard]] static Result<ExchangeDeclaration> read(const Name& name,
                                                        const boost::json::value& value,
                                                        std::string what);
  // Done | Error
  void declare(broker::Broker& broker, SessionId session, broker::Tag tag) const;

 private:
  Name name_;
  bool durable_ = true, auto_delete_ = false, internal_ = false;
  amqp::ExchangeArguments arguments_;
};

class BindingDeclaration {
 public:
  // `value` has routing_key and arguments.
  [[nodiscard]] static Result<BindingDeclaration> read(const Name& source, const Name& destination,
                                                       bool to_exchange,
                                                       const boost::json::value& value,
                                                       std::string what);
  // Its source is there: what the arguments mean depends on it. Done | Error
  [[nodiscard]] Result<void> bind(broker::Broker& broker, SessionId session, broker::Tag tag) const;
  [[nodiscard]] std::string_view key() const { return key_; }
  [[nodiscard]] std::string arguments_json() const;

 private:
  Name source_, destination_;
  bool to_exchange_ = false;
  std::string key_;
  std::string arguments_;  // a field table
};

}  // namespace penstock::protocol::http::management
