#include "lib/ike/protection.h"

#include <algorithm>
#include <iterator>

namespace sheaf::ike {
namespace {

// MPSA_PUT fits into it: its keys are not left behind where a vector grew.
constexpr std::size_t kRoomForKeys = 512;

Bytes seal_one(crypto::Backend& backend, Protection& protection, Random& random, const crypto::SkKeys& keys,
               Bytes head, View plaintext) {
    crypto::seal(backend, keys, protection.ivs, random, head, plaintext);
    return head;
}

std::size_t room_for_plaintext(const crypto::SkKeys& keys, std::size_t most) {
    constexpr std::size_t kFragmentHead = wire::kHeaderSize + 8;
    const std::size_t overhead =
        kFragmentHead + crypto::sealed_length(keys, 0) + 16; // 16: CBC padding at most
    return most > overhead + 64 ? most - overhead : 64;
}

} // namespace

std::vector<Bytes> seal_message(crypto::Backend& backend, Protection& protection, Random& random,
                                const wire::Header& header, std::span<const wire::Payload> payloads,
                                bool may_fragment, std::size_t most) {
    const auto keys = crypto::sk_keys(protection.suite, protection.keys, header.from_initiator);
    Bytes plaintext;
    plaintext.reserve(kRoomForKeys);
    const wire::PayloadType first = wire::encode_payloads(payloads, plaintext);
    const std::size_t sealed = crypto::sealed_length(keys, plaintext.size());
    if (!may_fragment || wire::kHeaderSize + 4 + sealed <= most) {
        Bytes head = wire::encode_encrypted_prefix(header, first, sealed);
        Bytes whole = seal_one(backend, protection, random, keys, std::move(head), plaintext);
        wipe(plaintext); // there are keys in MPSA_PUT
        return {std::move(whole)};
    }
    const std::size_t room = room_for_plaintext(keys, most);
    const auto total = static_cast<std::uint16_t>((plaintext.size() + room - 1) / room);
    std::vector<Bytes> out;
    for (std::uint16_t number = 1; number <= total; ++number) {
        const std::size_t from = (number - 1U) * room;
        const View part = View(plaintext).subspan(from, std::min(room, plaintext.size() - from));
        Bytes head = wire::encode_fragment_prefix(header, number == 1 ? first : wire::PayloadType::none,
                                                  number, total, crypto::sealed_length(keys, part.size()));
        out.push_back(seal_one(backend, protection, random, keys, std::move(head), part));
    }
    return out;
}

std::expected<Bytes, Rule> open_message(crypto::Backend& backend, const Protection& protection,
                                        const wire::Header& header, const wire::Encrypted& encrypted) {
    const auto keys = crypto::sk_keys(protection.suite, protection.keys, header.from_initiator);
    return crypto::open(backend, keys, encrypted.associated, encrypted.protected_data);
}

std::expected<std::optional<Reassembly::Whole>, Rule> Reassembly::add(const wire::Header& header,
                                                                      const wire::Encrypted& fragment,
                                                                      Bytes plaintext, std::size_t most) {
    if (fragment.fragment == 0 || fragment.fragment > fragment.fragments ||
        fragment.fragments > wire::kMaxFragments || plaintext.empty())
        return std::unexpected(Rule::bad_fragment);
    const bool other_message =
        header.message_id != message_id_ || header.response != response_ || parts_.empty();
    // RFC 7383 2.6: a set with more fragments was made for a smaller path MTU and replaces the earlier one.
    if (other_message || fragment.fragments > parts_.size()) {
        parts_.assign(fragment.fragments, {});
        missing_ = fragment.fragments;
        octets_ = 0;
        message_id_ = header.message_id;
        response_ = header.response;
    } else if (fragment.fragments < parts_.size()) {
        return std::nullopt;
    }
    Bytes& slot = parts_.at(fragment.fragment - 1U);
    if (!slot.empty()) return std::nullopt;
    if (plaintext.size() > most - std::min(most, octets_)) return std::unexpected(Rule::bad_fragment);
    octets_ += plaintext.size();
    slot = std::move(plaintext);
    if (fragment.fragment == 1) first_inner_ = fragment.first_inner;
    if (--missing_ != 0) return std::nullopt;
    Whole whole{first_inner_, {}};
    for (const Bytes& part : parts_)
        append(whole.plaintext, part);
    parts_.clear();
    return whole;
}

} // namespace sheaf::ike
