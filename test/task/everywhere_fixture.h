// An App whose queue is in this process, and one that is connected to a server: the same is said of
// both.
#pragma once

#include "test/task/server_fixture.h"

namespace penstock::testing {

enum class Where : std::uint8_t { embedded, connected };

class EverywhereTest : public ServerTest, public ::testing::WithParamInterface<Where> {
 protected:
  void SetUp() override {
    if (GetParam() == Where::connected)
      ServerTest::SetUp();
    else
      app_.emplace(App::embedded(directory_.path()));
  }
  void TearDown() override {
    app_.reset();
    if (server_ != nullptr) stop_server();
  }
};

#define PENSTOCK_EVERYWHERE(Suite)                                             \
  INSTANTIATE_TEST_SUITE_P(                                                    \
      Everywhere, Suite, ::testing::Values(Where::embedded, Where::connected), \
      [](const auto& at) { return at.param == Where::embedded ? "Embedded" : "Connected"; })

}  // namespace penstock::testing
