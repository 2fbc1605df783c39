#include "lib/crypto/distinguished_name.h"

#include "lib/base/ascii.h"

#include <botan/asn1_obj.h>
#include <botan/ber_dec.h>
#include <botan/der_enc.h>
#include <botan/pkix_types.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace sheaf::crypto {
namespace {

using Parts = std::vector<std::pair<Botan::OID, Botan::ASN1_String>>;

constexpr std::size_t kMaxParts = 32; // of a name; directories use up to ten
constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kMarks = ",+\"\\<>;=#";

struct Word {
    std::string_view word;
    std::string_view oid;
    Botan::ASN1_Tag type; // what RFC 5280 A.1 prescribes
};

// The first word of an OID is the one that is printed.
constexpr std::array kWords{
    Word{"CN", "2.5.4.3", Botan::UTF8_STRING},
    Word{"O", "2.5.4.10", Botan::UTF8_STRING},
    Word{"OU", "2.5.4.11", Botan::UTF8_STRING},
    Word{"C", "2.5.4.6", Botan::PRINTABLE_STRING},
    Word{"ST", "2.5.4.8", Botan::UTF8_STRING},
    Word{"L", "2.5.4.7", Botan::UTF8_STRING},
    Word{"STREET", "2.5.4.9", Botan::UTF8_STRING},
    Word{"SN", "2.5.4.4", Botan::UTF8_STRING},
    Word{"GN", "2.5.4.42", Botan::UTF8_STRING},
    Word{"T", "2.5.4.12", Botan::UTF8_STRING},
    Word{"serialNumber", "2.5.4.5", Botan::PRINTABLE_STRING},
    Word{"dnQualifier", "2.5.4.46", Botan::PRINTABLE_STRING},
    Word{"E", "1.2.840.113549.1.9.1", Botan::IA5_STRING},
    Word{"emailAddress", "1.2.840.113549.1.9.1", Botan::IA5_STRING},
    Word{"DC", "0.9.2342.19200300.100.1.25", Botan::IA5_STRING},
    Word{"UID", "0.9.2342.19200300.100.1.1", Botan::UTF8_STRING},
};

std::string lowered(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), lower);
    return out;
}

std::optional<Parts> decode(View der) {
    try {
        Botan::X509_DN name;
        Botan::BER_Decoder(der.data(), der.size()).decode(name).verify_end();
        if (name.dn_info().size() > kMaxParts) return std::nullopt;
        return name.dn_info();
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

// RFC 4518 2.6.1 in short: no space at the ends, one for many within, case does not matter.
std::string normal(const std::string& value) {
    std::string out;
    for (const char c : value) {
        if (c == ' ' && (out.empty() || out.back() == ' ')) continue;
        out += lower(c);
    }
    if (!out.empty() && out.back() == ' ') out.pop_back();
    return out;
}

bool same_part(const Parts::value_type& a, const Parts::value_type& b) {
    return a.first == b.first && normal(a.second.value()) == normal(b.second.value());
}

std::string escaped(const std::string& value) {
    std::string out;
    for (std::size_t i = 0; i < value.size(); ++i) {
        const char c = value[i];
        const auto octet = static_cast<std::uint8_t>(c);
        const bool edge = c == ' ' && (i == 0 || i + 1 == value.size());
        if (octet < 0x20 || octet >= 0x7f || edge) {
            out += '\\';
            out += kHexDigits[octet >> 4];
            out += kHexDigits[octet & 15];
        } else {
            if (kMarks.find(c) != kMarks.npos) out += '\\';
            out += c;
        }
    }
    return out;
}

std::string word_of(const Botan::OID& oid) {
    const std::string dotted = oid.to_string();
    const auto found = std::ranges::find(kWords, dotted, &Word::oid);
    return found == kWords.end() ? dotted : std::string(found->word);
}

std::optional<std::uint8_t> hex_value(char c) {
    const auto value = kHexDigits.find(lower(c));
    if (value == kHexDigits.npos) return std::nullopt;
    return static_cast<std::uint8_t>(value);
}

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' '))
        text.remove_prefix(1);
    while (text.ends_with(' ') && !text.ends_with("\\ "))
        text.remove_suffix(1);
    return text;
}

std::optional<std::string> unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\') {
            out += text[i];
            continue;
        }
        if (++i == text.size()) return std::nullopt;
        const auto high = hex_value(text[i]);
        const auto low = i + 1 < text.size() ? hex_value(text[i + 1]) : std::nullopt;
        if (high && low) {
            out += static_cast<char>(*high << 4 | *low);
            ++i;
        } else {
            out += text[i];
        }
    }
    return out;
}

// Up to the next comma that is not escaped. Takes it off; nothing is left after the last part.
std::string_view take_part(std::optional<std::string_view>& rest) {
    const std::string_view text = *rest;
    std::size_t end = 0;
    while (end < text.size() && text[end] != ',')
        end += text[end] == '\\' ? 2U : 1U;
    rest.reset();
    if (end < text.size()) rest = text.substr(end + 1);
    return text.substr(0, end);
}

bool add_part(Botan::DER_Encoder& to, std::string_view part) {
    const auto mark = part.find('=');
    if (mark == part.npos) return false;
    const std::string type = lowered(trimmed(part.substr(0, mark)));
    const auto value = unescaped(trimmed(part.substr(mark + 1)));
    const auto word = std::ranges::find_if(kWords, [&](const Word& w) { return lowered(w.word) == type; });
    if (word == kWords.end() || !value || value->empty()) return false;
    to.start_cons(Botan::SET)
        .start_cons(Botan::SEQUENCE)
        .encode(Botan::OID::from_string(std::string(word->oid)))
        .encode(Botan::ASN1_String(*value, word->type))
        .end_cons()
        .end_cons();
    return true;
}

} // namespace

std::optional<std::string> name_to_text(View der) {
    const auto parts = decode(der);
    if (!parts) return std::nullopt;
    std::string out;
    for (const auto& [oid, value] : *parts) {
        if (!out.empty()) out += ", ";
        out += word_of(oid) + "=" + escaped(value.value());
    }
    return out;
}

std::optional<Bytes> name_from_text(std::string_view text) {
    try {
        Bytes out;
        Botan::DER_Encoder encoder(out);
        encoder.start_cons(Botan::SEQUENCE);
        std::optional<std::string_view> rest = text;
        for (std::size_t count = 0; rest; ++count)
            if (count == kMaxParts || !add_part(encoder, take_part(rest))) return std::nullopt;
        encoder.end_cons();
        return out;
    } catch (const std::exception&) { // a value that its string type cannot hold
        return std::nullopt;
    }
}

bool same_name(View a, View b) {
    if (equal(a, b)) return true;
    const auto left = decode(a);
    const auto right = decode(b);
    return left && right && std::ranges::equal(*left, *right, same_part);
}

bool name_within(View name, View base) {
    const auto whole = decode(name);
    const auto start = decode(base);
    return whole && start && start->size() <= whole->size() &&
           std::equal(start->begin(), start->end(), whole->begin(), same_part);
}

std::vector<std::string> mail_of_name(View der) {
    std::vector<std::string> out;
    const auto parts = decode(der);
    if (!parts) return out;
    for (const auto& [oid, value] : *parts)
        if (word_of(oid) == "E") out.push_back(value.value());
    return out;
}

} // namespace sheaf::crypto
