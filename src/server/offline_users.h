// Making a user on the data directory of a server that does not run: the first one, or one whose
// password was lost. Whoever may write there may do everything anyway.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace penstock::server {

// `tags` as "administrator,monitoring"; nothing: as they are. Error::locked while a server has the
// directory.
[[nodiscard]] Result<void> put_user_offline(const std::string& data, std::string_view name,
                                            std::string_view password,
                                            std::optional<std::string_view> tags);

}  // namespace penstock::server
