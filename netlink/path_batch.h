#pragma once

#include "netlink/nft_message.h"
#include "netlink/path_table.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace sheaf::netlink {

// Builds a transaction of nf_tables: what PathTable sends.
class PathBatch {
  public:
    explicit PathBatch(PathTable::Marks marks) : marks_(marks) {}

    void add_table(); // with what is in it before the first home address
    // Elements of the gate's sets. REQUIRES: they are not there; or, removed, they are.
    void add(const std::vector<EspFlow>& admitted, const std::vector<EspFlow>& guarded);
    void remove(const std::vector<EspFlow>& admitted, const std::vector<EspFlow>& guarded);
    // A home address's chain and the packets that look into it. Those of a chain that is there are replaced.
    void open_chain(const HomeMarks& home);
    void put_rules(const HomeMarks& home);
    void lead(const HomeMarks& home);
    void lead_no_more(const HomeMarks& home);
    void close_chain(const HomeMarks& home);

    [[nodiscard]] NftTransaction finish() && { return std::move(messages_); }

  private:
    void put_elements(std::uint16_t type, std::uint16_t flags, const std::vector<EspFlow>& admitted,
                      const std::vector<EspFlow>& guarded);
    void put_set(std::uint16_t type, std::uint16_t flags, const char* set, const std::vector<EspFlow>& flows,
                 bool with_source);
    void put_prefixes(std::uint16_t type, std::uint16_t flags, const HomeMarks& home);
    void put_rule(const HomeMarks& home, const PathRule& rule);
    void add_base_chain(const char* name, std::uint32_t hook);
    void add_gate();
    void add_ways(const char* chain);

    PathTable::Marks marks_;
    NftTransaction messages_;
};

} // namespace sheaf::netlink
