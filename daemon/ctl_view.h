#pragma once

#include "daemon/control_message.h"

#include <string>

namespace sheaf::daemon {

// What sheafctl shows of an answer: drawn from its JSON alone, so that what a person sees is what a program
// can read. Members that are missing are left out: a newer or older sheafd may answer.
[[nodiscard]] std::string render(const Request& request, const nlohmann::ordered_json& answer, bool colour);
// One line of `sheafctl watch`.
[[nodiscard]] std::string render_event(const nlohmann::ordered_json& event, bool colour);
// An answer whose "ok" is false: the sentence and, of a reload, the mistakes in the file.
[[nodiscard]] std::string render_failure(const nlohmann::ordered_json& answer);

} // namespace sheaf::daemon
