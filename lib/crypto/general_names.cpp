#include "lib/crypto/general_names.h"

#include "lib/base/ascii.h"
#include "lib/crypto/der.h"
#include "lib/crypto/distinguished_name.h"

#include <algorithm>
#include <string_view>

namespace sheaf::crypto {
namespace {

// RFC 5280 4.2.1.6: the choices of GeneralName
constexpr std::uint8_t kMail = 0x81, kDns = 0x82, kDirectory = 0xa4, kAddress = 0x87;
constexpr std::uint8_t kPermitted = 0xa0, kExcluded = 0xa1;

std::string text_of(View octets) { return {octets.begin(), octets.end()}; }

std::string lowered(std::string text) {
    std::ranges::transform(text, text.begin(), lower);
    return text;
}

// The user's part is the mail system's affair and keeps its case.
std::string mailbox(std::string text) {
    const auto at = text.rfind('@');
    if (at == text.npos) return lowered(text);
    return text.substr(0, at) + lowered(text.substr(at));
}

bool add_name(GeneralNames& to, const DerElement& name) {
    switch (name.tag) {
    case kMail: to.mail.push_back(mailbox(text_of(name.content))); return true;
    case kDns: to.dns.push_back(lowered(text_of(name.content))); return true;
    case kDirectory: to.directory.emplace_back(name.content.begin(), name.content.end()); return true;
    case kAddress: {
        const auto address = IpAddress::from_bytes(name.content);
        if (address) to.addresses.push_back(*address);
        return address.has_value();
    }
    default: to.other.push_back(name.tag); return true;
    }
}

bool add_subtree(Subtrees& to, View subtree) {
    DerReader fields(subtree);
    const auto base = fields.next();
    if (!base || !fields.empty()) return false; // RFC 5280 4.2.1.10: minimum and maximum are not used
    const View content = base->content;
    switch (base->tag) {
    case kMail: to.mail.push_back(mailbox(text_of(content))); return true;
    case kDns: to.dns.push_back(lowered(text_of(content))); return true;
    case kDirectory: to.directory.emplace_back(content.begin(), content.end()); return true;
    case kAddress: {
        if (content.size() != 8 && content.size() != 32) return false;
        const View address = content.first(content.size() / 2);
        const View mask = content.last(content.size() / 2);
        to.addresses.push_back({{address.begin(), address.end()}, {mask.begin(), mask.end()}});
        return true;
    }
    default: to.other.push_back(base->tag); return true;
    }
}

bool add_subtrees(Subtrees& to, View list) {
    DerReader reader(list);
    for (std::size_t count = 0; !reader.empty(); ++count) {
        const auto subtree = reader.next();
        if (count == kMaxNames || !subtree || subtree->tag != kSequence || !add_subtree(to, subtree->content))
            return false;
    }
    return true;
}

bool within_domain(const std::string& name, const std::string& base) {
    if (base.empty() || name == base) return true;
    return name.ends_with(base.starts_with('.') ? base : "." + base);
}

// A mailbox, a host, or with a dot in front all hosts below a domain.
bool within_mail(const std::string& name, const std::string& base) {
    if (base.find('@') != base.npos) return name == base;
    const auto at = name.rfind('@');
    if (at == name.npos) return false;
    const std::string host = name.substr(at + 1);
    return base.starts_with('.') ? host.ends_with(base) : host == base;
}

bool within_range(const IpAddress& address, const AddressRange& range) {
    const View octets = address.view();
    if (octets.size() != range.base.size()) return false;
    for (std::size_t i = 0; i < octets.size(); ++i)
        if ((octets[i] & range.mask[i]) != (range.base[i] & range.mask[i])) return false;
    return true;
}

// Of each form alone: permitted subtrees bind the names of their form only.
template <typename Name, typename Base, typename Within>
const Name* first_beyond(const std::vector<Name>& names, const std::vector<Base>& permitted,
                         const std::vector<Base>& excluded, Within within) {
    for (const Name& name : names) {
        const auto holds = [&](const Base& base) { return within(name, base); };
        const bool inside = permitted.empty() || std::ranges::any_of(permitted, holds);
        if (!inside || std::ranges::any_of(excluded, holds)) return &name;
    }
    return nullptr;
}

bool is_empty_name(View der) { return der.size() <= 2; }

bool limits_form(const Subtrees& subtrees, std::uint8_t tag) {
    return std::ranges::find(subtrees.other, tag) != subtrees.other.end();
}

} // namespace

std::optional<GeneralNames> parse_general_names(View extension) {
    const auto list = only_element(extension, kSequence);
    if (!list) return std::nullopt;
    GeneralNames out;
    DerReader reader(*list);
    for (std::size_t count = 0; !reader.empty(); ++count) {
        const auto name = reader.next();
        if (count == kMaxNames || !name || !add_name(out, *name)) return std::nullopt;
    }
    return out;
}

std::optional<NameLimits> parse_name_limits(View extension) {
    const auto fields = only_element(extension, kSequence);
    if (!fields) return std::nullopt;
    NameLimits out;
    DerReader reader(*fields);
    while (!reader.empty()) {
        const auto field = reader.next();
        if (!field || (field->tag != kPermitted && field->tag != kExcluded)) return std::nullopt;
        if (!add_subtrees(field->tag == kPermitted ? out.permitted : out.excluded, field->content))
            return std::nullopt;
    }
    return out;
}

std::optional<std::string> name_beyond(const NameLimits& limits, const GeneralNames& names, View subject) {
    const auto& [permitted, excluded] = limits;
    if (const auto* dns = first_beyond(names.dns, permitted.dns, excluded.dns, within_domain)) return *dns;
    // RFC 5280 4.2.1.10: without addresses in the extension, those in the subject count.
    std::vector<std::string> mail = names.mail.empty() ? mail_of_name(subject) : names.mail;
    std::ranges::transform(mail, mail.begin(), mailbox);
    if (const auto* box = first_beyond(mail, permitted.mail, excluded.mail, within_mail)) return *box;
    if (const auto* address =
            first_beyond(names.addresses, permitted.addresses, excluded.addresses, within_range))
        return address->to_string();
    std::vector<Bytes> directory = names.directory;
    if (!is_empty_name(subject)) directory.emplace_back(subject.begin(), subject.end());
    if (const auto* name = first_beyond(directory, permitted.directory, excluded.directory, name_within))
        return name_to_text(*name).value_or("a directory name that cannot be read");
    for (const std::uint8_t tag : names.other)
        if (limits_form(permitted, tag) || limits_form(excluded, tag))
            return "a name of a form that is not checked here";
    return std::nullopt;
}

} // namespace sheaf::crypto
