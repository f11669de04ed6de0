// The chains of an App's middleware. Without any, an enqueue costs one load more, and an execution
// one comparison.
#pragma once

#include <algorithm>
#include <vector>

#include "penstock/middleware.hpp"

namespace penstock::detail {

using Chain = std::vector<Middleware>;

[[nodiscard]] inline bool has_enqueue(const Chain& chain) {
  return std::ranges::any_of(chain, [](const auto& one) { return one.enqueue != nullptr; });
}

// Runs `rest` inside of all that come from `at` on.
template <class Subject, class Rest>
void run_inside(const Chain& chain, std::size_t at,
                std::function<void(Subject&, const Next&)> Middleware::*which, Subject& subject,
                const Rest& rest) {
  while (at < chain.size() && !(chain[at].*which)) ++at;
  if (at == chain.size()) return rest();
  const auto inner = [&] { run_inside(chain, at + 1, which, subject, rest); };
  (chain[at].*which)(subject, Next(inner));
}

}  // namespace penstock::detail
