#include "lib/ike/home_link.h"

#include <algorithm>
#include <utility>

namespace sheaf::ike {
namespace {

constexpr Duration kTellAgain = std::chrono::seconds(5);

// On which interface the host answers neighbours for the home address, by this picture; empty: on none.
std::string answers_on(const child::MobilityLink& picture) {
    const bool agent = picture.role == child::MobilityRole::home_agent;
    const bool registered = std::ranges::any_of(picture.care_of, &child::CareOf::registered);
    return (agent ? registered : picture.at_home) ? picture.home_interface : std::string();
}

} // namespace

child::LinkNumber HomeLink::reqid_for(const MobileUse& use) const {
    switch (use.traffic) {
    case MobileTraffic::signalling: return numbers_.signalling;
    case MobileTraffic::prefix_discovery: return numbers_.prefix_discovery;
    case MobileTraffic::home_test: return numbers_.home_test;
    case MobileTraffic::payload: break;
    }
    return 0;
}

bool HomeLink::wants(const child::MobilityLink& picture, Instant now) const {
    return told_ != picture && !(again_ && *again_ > now);
}

child::KernelStep HomeLink::tell(const child::MobilityLink& picture) {
    again_.reset();
    told_ = picture;
    announcer_.ask(answers_on(picture));
    guards_prefixes_ = guards_prefixes_ && picture.prefix_discovery != 0;
    if (std::exchange(open_, true)) return child::UpdateMobility{picture};
    guarded_ = guards_prefixes_ = false;
    opened_by_.reset();
    interface_ = picture.interface;
    return child::OpenMobility{picture};
}

void HomeLink::submitted(child::IntentId id) {
    if (!opened_by_) opened_by_ = id;
    intent_ = id;
}

void HomeLink::done(const child::IntentDone& answer, Instant now) {
    if (!open_ || !opened_by_ || answer.id < *opened_by_) return; // of before it was opened
    if (!answer.error) {
        guarded_ = true;
        if (answer.id != intent_) return;
        guards_prefixes_ = told_ && told_->prefix_discovery != 0;
        announcer_.confirm(now);
    } else if (answer.id == *opened_by_) {
        open_ = false;
        told_.reset();
        announcer_.ask({});
    } else if (answer.id == intent_) {
        told_.reset();
        again_ = now + kTellAgain;
    }
}

void HomeLink::on_timeout(Instant now) {
    if (again_ && *again_ <= now) again_.reset();
}

child::KernelStep HomeLink::close() {
    open_ = guarded_ = guards_prefixes_ = false;
    told_.reset();
    again_.reset();
    announcer_.ask({});
    return child::CloseMobility{numbers_.payload};
}

} // namespace sheaf::ike
