// Requests of users, on a server whose passwords are the fake ones.
#pragma once

#include "test/protocol/fake_passwords.h"
#include "test/protocol/http_fixture.h"

namespace penstock::protocol::http {

inline std::string as(std::string_view user, std::string_view password) {
  const auto text = std::string(user).append(":").append(password);
  return "Authorization: Basic " + base64_encode(as_bytes(text)) + "\r\n";
}
inline const std::string kAdmin = as("admin", "admin");
inline const std::string kApp = as("app", "app");

class HttpAccess : public HttpTest {
 protected:
  HttpAccess() {
    Settings settings;
    settings.passwords = &passwords;
    open(std::move(settings));
    passwords.broker = broker_.get();
  }
  // Asks, and lets whatever waits for a password go on.
  Response ask_as(const std::string& who, std::string_view start, std::string_view body = {}) {
    auto bytes = raw(request(start, body, who));
    passwords.answer_all();
    settle();
    bytes += peer_->take_output();
    auto all = responses(bytes);
    EXPECT_EQ(all.size(), 1u) << start;
    return all.empty() ? Response{} : std::move(all.front());
  }
  FakePasswords passwords;
};

}  // namespace penstock::protocol::http
