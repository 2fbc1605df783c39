#include "daemon/event_json.h"

#include "daemon/status_json.h"

#include <nlohmann/json.hpp>

namespace sheaf::daemon {
namespace {

using Json = nlohmann::ordered_json;

Json begin(std::string_view event, std::string_view time) {
    return {{"schema", kSchema}, {"time", time}, {"event", event}};
}

Json begin(std::string_view event, std::string_view time, const ike::SaName& sa) {
    Json out = begin(event, time);
    out["name"] = sa.connection;
    out["spi"] = ike_spi_text(sa.spi);
    out["peer"] = sa.peer.to_string();
    out["peer_id"] = sa.peer_id;
    return out;
}

std::string_view lease_event(ike::Leased::What what) {
    switch (what) {
    case ike::Leased::What::assigned: return "lease_assigned";
    case ike::Leased::What::renewed: return "lease_renewed";
    case ike::Leased::What::released: return "lease_released";
    }
    return "lease";
}

struct ToJson {
    std::string_view time;

    Json operator()(const ike::MessageTraced& e) const {
        Json out = begin("message", time);
        out["sent"] = e.sent;
        out["exchange"] = wire::name(e.header.exchange);
        out["response"] = e.header.response;
        out["message_id"] = e.header.message_id;
        out["spi_i"] = ike_spi_text(e.header.initiator_spi);
        out["spi_r"] = ike_spi_text(e.header.responder_spi);
        out["local"] = e.local.to_string();
        out["peer"] = e.peer.to_string();
        if (e.header.length != 0) out["length"] = e.header.length;
        out["payloads"] = e.payloads;
        return out;
    }

    Json operator()(const ike::Refused& e) const {
        Json out = begin("refused", time);
        out["rule"] = sheaf::name(e.rule);
        out["sentence"] = sentence(e.rule);
        if (e.peer.port != 0) out["peer"] = e.peer.to_string();
        if (e.spi != 0) out["spi"] = ike_spi_text(e.spi);
        if (!e.detail.empty()) out["detail"] = e.detail;
        return out;
    }

    Json operator()(const ike::IkeUp& e) const {
        Json out = begin("ike_up", time, e.sa);
        out["suite"] = e.suite;
        out["nat"] = e.nat;
        return out;
    }

    Json operator()(const ike::IkeDown& e) const {
        Json out = begin("ike_down", time, e.sa);
        out["reason"] = ike::name(e.reason);
        if (!e.detail.empty()) out["detail"] = e.detail;
        out["retrying"] = e.retrying;
        return out;
    }

    Json operator()(const ike::ChildUp& e) const {
        Json out = begin("child_up", time, e.sa);
        if (!e.child.empty()) out["child"] = e.child;
        out["spi_in"] = child_spi_text(e.spi_in);
        out["spi_out"] = child_spi_text(e.spi_out);
        out["suite"] = e.suite;
        if (!e.link.interface.empty()) out["link"] = to_json(e.link);
        out["local_ts"] = e.local_selectors;
        out["remote_ts"] = e.remote_selectors;
        return out;
    }

    Json operator()(const ike::IkeRekeyed& e) const {
        Json out = begin("ike_rekeyed", time, e.sa);
        out["old_spi"] = ike_spi_text(e.old_spi);
        out["suite"] = e.suite;
        return out;
    }

    Json operator()(const ike::IkeCloned& e) const {
        Json out = begin("ike_cloned", time, e.sa);
        out["old_spi"] = ike_spi_text(e.old_spi);
        out["suite"] = e.suite;
        return out;
    }

    Json operator()(const ike::ChildRekeyed& e) const {
        Json out = begin("child_rekeyed", time, e.sa);
        if (!e.child.empty()) out["child"] = e.child;
        out["old_spi_in"] = child_spi_text(e.old_spi_in);
        out["spi_in"] = child_spi_text(e.spi_in);
        out["spi_out"] = child_spi_text(e.spi_out);
        out["suite"] = e.suite;
        return out;
    }

    Json operator()(const ike::Moved& e) const {
        Json out = begin("moved", time, e.sa);
        out["local"] = e.local.to_string();
        out["before"] = e.before.to_string();
        return out;
    }

    Json operator()(const ike::PeerMoved& e) const {
        Json out = begin("peer_moved", time, e.sa);
        out["before"] = e.before.to_string();
        return out;
    }

    Json operator()(const ike::PathChanged& e) const {
        Json out = begin("path_changed", time);
        out["name"] = e.sa.connection;
        if (e.sa.spi != 0) {
            out["spi"] = ike_spi_text(e.sa.spi);
            out["peer"] = e.sa.peer.to_string();
        }
        out["peer_id"] = e.sa.peer_id;
        if (!e.uplink.empty()) out["uplink"] = e.uplink;
        out["gateway"] = e.gateway.to_string();
        out["state"] = e.state;
        if (!e.why.empty()) out["why"] = e.why;
        return out;
    }

    Json operator()(const ike::GroupChanged& e) const {
        const bool of_member = !e.member.connection.empty();
        Json out = of_member ? begin("group_changed", time, e.member) : begin("group_changed", time);
        out["group"] = e.group;
        out["what"] = ike::name(e.what);
        if (e.spi != 0) out["group_spi"] = child_spi_text(e.spi);
        if (e.generation != 0) out["generation"] = e.generation;
        if (!e.why.empty()) out["why"] = e.why;
        return out;
    }

    Json operator()(const ike::ChildDown& e) const {
        Json out = begin("child_down", time, e.sa);
        if (!e.child.empty()) out["child"] = e.child;
        out["spi_in"] = child_spi_text(e.spi_in);
        out["spi_out"] = child_spi_text(e.spi_out);
        return out;
    }

    Json operator()(const ike::Leased& e) const {
        Json out = begin(lease_event(e.what), time, e.sa);
        out["blocks"] = Json::array();
        for (const auto& block : e.blocks)
            out["blocks"].push_back(block.to_string());
        return out;
    }

    Json operator()(const ike::BindingChanged& e) const {
        Json out = begin("binding_changed", time);
        out["name"] = e.connection;
        out["home"] = e.home.to_string();
        out["what"] = ike::name(e.what);
        if (e.bid != 0) out["bid"] = e.bid;
        if (e.care_of) out["care_of"] = e.care_of->to_string();
        if (e.before) out["before"] = e.before->to_string();
        if (e.lifetime) out["lifetime_s"] = seconds(*e.lifetime);
        if (!e.why.empty()) out["why"] = e.why;
        return out;
    }

    Json operator()(const ike::PoolLow& e) const {
        Json out = begin("pool_low", time);
        out["pool"] = e.pool;
        out["used"] = e.used;
        out["size"] = e.size;
        out["exhausted"] = e.exhausted;
        return out;
    }
};

} // namespace

Json to_json(const ike::Event& event, std::string_view time) { return std::visit(ToJson{time}, event); }

Json held_back_json(std::uint64_t count, std::string_view time) {
    Json out = begin("refused_held_back", time);
    out["count"] = count;
    return out;
}

} // namespace sheaf::daemon
