// What somebody's program does with Penstock: who signs up is welcomed, and reminded a day later.
#pragma once

#include <functional>
#include <penstock/penstock.hpp>
#include <string>

namespace signup {

// How mail leaves; a test puts its own here.
using SendMail = std::function<void(const std::string& to, const std::string& text)>;

class Signup {
 public:
  // `app` outlives this.
  Signup(penstock::App& app, SendMail send);

  void sign_up(const std::string& address);

  [[nodiscard]] const penstock::Task<void(std::string)>& welcome() const { return welcome_; }
  [[nodiscard]] const penstock::Task<void(std::string)>& remind() const { return remind_; }

 private:
  penstock::App& app_;
  penstock::Task<void(std::string)> remind_;
  penstock::Task<void(std::string)> welcome_;
};

}  // namespace signup
