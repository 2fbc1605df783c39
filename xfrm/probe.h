#pragma once

#include "netlink/error.h"
#include "netlink/message.h"
#include "xfrm/abilities.h"
#include "xfrm/plan.h"

#include <cstddef>
#include <expected>
#include <vector>

// What Kernel::probe() sends and how it reads the answers, without the sending.
namespace sheaf::xfrm {

// All that is tried. Whatever a message installs, one of the next removes, in the same datagram; should that
// not come about, SAD entries expire within seconds.
class Probe {
  public:
    Probe();

    struct Question {
        Room room{};
        netlink::Message message;
    };
    [[nodiscard]] std::vector<Question>& questions() { return questions_; }

    // `answers` has one for each question, in their order.
    using Answers = std::vector<std::expected<void, netlink::Error>>;
    [[nodiscard]] Abilities read(const Answers& answers) const;

    // Every suite that lib/crypto can negotiate for ESP.
    [[nodiscard]] static std::vector<crypto::EspSuite> all_suites();

  private:
    [[nodiscard]] std::size_t ask(Room room, netlink::Message message);
    [[nodiscard]] std::size_t ask_state(Family family, const crypto::EspSuite& suite, bool encapsulated,
                                        std::uint8_t direction);
    void ask_links();
    void read_esp(const Answers& answers, Family family, Abilities& to) const;
    void read_suites(const Answers& answers, Abilities& to) const;
    void read_links(const Answers& answers, Abilities& to) const;

    // Where the answers to the questions stand.
    struct PerFamily {
        Family family{};
        std::vector<std::size_t> suites; // in the order of all_suites()
        std::size_t encapsulation = 0;
        std::size_t direction = 0;
    };
    std::vector<Question> questions_;
    std::vector<PerFamily> families_;
    std::size_t own_link_ = 0;
    std::size_t shared_link_ = 0;
    std::size_t link_route_ = 0;
};

} // namespace sheaf::xfrm
