// Tests of signup.cc, without a server, a file or a second of waiting. Any test framework will do;
// this has none.
#include "signup.h"

#include <chrono>
#include <iostream>
#include <penstock/testing.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using penstock::testing::Ran;
using penstock::testing::TestApp;

void expect(bool good, const std::string& what) {
  if (!good) throw std::runtime_error("not so: " + what);
}

// The program under test, with mail that goes into a list.
struct Fixture {
  TestApp app;
  std::vector<std::string> mails;
  signup::Signup signup{app.app(), [this](const std::string& to, const std::string& text) {
                          mails.push_back(to + ": " + text);
                        }};
};

void welcomes_at_once_and_reminds_a_day_later() {
  Fixture f;
  f.signup.sign_up("ann@example.org");
  expect(f.mails.empty(), "nothing is sent while somebody waits for an answer");
  expect(f.app.arguments_of(f.signup.welcome()) ==
             std::vector{std::tuple(std::string("ann@example.org"))},
         "ann is to be welcomed");

  f.app.run_until_idle();
  expect(f.mails == std::vector<std::string>{"ann@example.org: Welcome!"}, "ann is welcomed");
  const auto reminders = f.app.enqueued(f.signup.remind());
  expect(reminders.size() == 1 && reminders[0].not_before == f.app.now() + 24h,
         "a reminder waits for a day");

  f.app.advance(24h);
  expect(f.app.run_until_idle() == Ran{.done = 1}, "then it is sent");
  expect(f.mails.size() == 2, "two mails in all");
}

void tries_again_when_mail_is_down() {
  Fixture f;
  f.app.fail_next(f.signup.welcome(), std::runtime_error("connection refused"), 2);
  f.signup.sign_up("bob@example.org");
  expect(f.app.run_until_idle() == Ran{.failed = 1}, "the first attempt fails");
  expect(f.app.run_for(1min) == (Ran{.done = 1, .failed = 1}), "the third one does not");
  expect(f.mails.size() == 1, "one mail");
}

void reminds_once_although_a_worker_died() {
  Fixture f;
  f.app.kill_worker_after(f.signup.welcome());
  f.signup.sign_up("eve@example.org");
  f.app.run_to_end();
  expect(f.app.enqueued(f.signup.remind()).size() == 1, "one reminder");
  expect(f.mails.size() == 3, "but two welcomes: sending mail cannot be undone");
}

}  // namespace

int main() {
  try {
    welcomes_at_once_and_reminds_a_day_later();
    tries_again_when_mail_is_down();
    reminds_once_although_a_worker_died();
    std::cout << "three tests passed\n";
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
