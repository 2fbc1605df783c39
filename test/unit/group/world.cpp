#include "test/unit/group/world.h"

#include <algorithm>
#include <utility>

namespace sheaf::group::test {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr Duration kEnd = seconds(2600);
constexpr Duration kFirstWait = milliseconds(500);
constexpr unsigned kTries = 6;
constexpr WallTime kWall{seconds(1'700'000'000)};

std::string text(wire::ChildSpi spi) { return "SPI ..." + std::to_string(spi & 0xfffff); }

} // namespace

Tally& Tally::operator+=(const Tally& other) {
    pairs += other.pairs;
    rolling_pairs += other.rolling_pairs;
    hurried += other.hurried;
    generations += other.generations;
    crashes += other.crashes;
    joins += other.joins;
    leaves += other.leaves;
    lost += other.lost;
    refused += other.refused;
    expired += other.expired;
    return *this;
}

World::World(std::uint64_t seed) : chance_(seed) {
    terms_.lifetime = seconds(480 + chance_.below(600));
    terms_.rekey_on_leave = !one_in(4);
    terms_.rekey_on_join = one_in(5);
    loss_ = std::array<std::uint64_t, 4>{0, 5, 20, 40}.at(chance_.below(4));
    sloppy_ = one_in(3);
    moody_ = one_in(4);
    sites_.resize(2 + chance_.below(4));
    boot();
    for (std::size_t site = 0; site < sites_.size(); ++site) {
        after(up_to(seconds(one_in(2) ? 5 : 900)), [this, site] {
            sites_[site].wants_in = true;
            connect(site);
        });
        after(seconds(20), [this, site] { liveness(site); });
        after(up_to(seconds(1500)), [this, site] { weather(site); });
        after(up_to(seconds(2000)), [this, site] { change_of_mind(site); });
    }
    for (std::uint64_t crashes = chance_.below(4); crashes > 0; --crashes)
        after(up_to(kEnd), [this] { crash(); });
}

std::string World::run() {
    const Instant end = now_ + kEnd;
    while (wrong_.empty() && !events_.empty() && events_.top().when < end) {
        const Event event = events_.top();
        events_.pop();
        now_ = event.when;
        event.what();
        check();
    }
    tally_.generations = numbers_.size();
    return wrong_;
}

void World::after(Duration delay, std::function<void()> what) {
    events_.push({now_ + delay, ++order_, std::move(what)});
}

Duration World::up_to(Duration most) {
    return Duration(static_cast<std::int64_t>(chance_.below(static_cast<std::uint64_t>(most.count()) + 1)));
}

void World::fail(const std::string& what) {
    if (!wrong_.empty()) return;
    const auto since = std::chrono::duration_cast<milliseconds>(now_.time_since_epoch()).count();
    wrong_ = "at " + std::to_string(since) + " ms: " + what;
}

WallTime World::wall() const { return kWall + std::chrono::floor<seconds>(now_.time_since_epoch()); }

// ---- the gateway

void World::boot() {
    ++life_;
    boot_ = now_.time_since_epoch() - up_to(seconds(100)); // the engine's clock since the machine's start
    up_since_ = now_;
    storing_ = false;
    being_written_.reset();
    if (disk_.empty()) {
        group_.emplace(terms_, chance_, engine_now());
    } else {
        const auto record = record_from(disk_.view());
        if (!record) return fail("the record is none");
        group_.emplace(terms_, *record, engine_now(), wall());
        recalled_ = group_->standing().generation;
    }
    wake();
}

void World::crash() {
    if (!group_) return;
    ++tally_.crashes;
    // What was being written is there or not.
    if (being_written_ && one_in(2)) disk_ = std::move(being_written_->first);
    being_written_.reset();
    group_.reset();
    ++life_;
    for (auto& [key, session] : sessions_)
        session->at_gateway = false;
    sessions_.clear();
    banned_.clear(); // a leave may have been forgotten with it
    after(seconds(1) + up_to(seconds(one_in(3) ? 400 : 20)), [this] { boot(); });
}

void World::pump() {
    if (!group_) return;
    group_->on_timeout(engine_now(), chance_);
    const Standing standing = group_->standing();
    ends_.try_emplace(standing.spi, true_time(standing.expires));
    store();
    for (const MemberKey key : group_->take_due()) {
        const auto found = sessions_.find(key);
        if (found == sessions_.end()) return fail("somebody is due who is no member");
        const SessionPtr session = found->second;
        // An exchange of another kind may be under way.
        after(one_in(3) ? up_to(seconds(5)) : Duration(0), [this, session] { start_push(session); });
    }
    (void)group_->take_notices();
}

void World::store() {
    const auto change = group_->unsaved();
    if (!change || storing_) return;
    storing_ = true;
    being_written_.emplace(to_octets(group_->record(engine_now(), wall())), *change);
    const Duration delay = up_to(one_in(20) ? Duration(seconds(30)) : Duration(milliseconds(300)));
    after(delay, [this, life = life_] {
        if (life != life_ || !group_) return;
        storing_ = false;
        disk_ = std::move(being_written_->first);
        const std::uint64_t written = being_written_->second;
        being_written_.reset();
        group_->stored(written, engine_now());
        pump();
    });
}

void World::wake() {
    if (!group_) return;
    pump();
    const Instant next = group_->next_timeout();
    if (next <= engine_now()) return fail("the group's timeout does not move on");
    // Looks that come for nothing are harmless, as in life.
    const Duration wait = std::min<Duration>(next - engine_now(), seconds(5));
    after(wait, [this, life = life_] {
        if (life == life_) wake();
    });
}

void World::start_push(const SessionPtr& session) {
    if (!group_ || !session->at_gateway || session->under_way) return;
    auto push = group_->next_push(session->key, engine_now());
    if (!push) return;
    note_generation(*push);
    session->under_way = std::move(push);
    transmit(session, ++session->sent, session->under_way->notify, kTries, kFirstWait);
}

void World::transmit(const SessionPtr& session, std::uint32_t id, const wire::Notify& notify, unsigned tries,
                     Duration wait) {
    if (!session->at_gateway || !session->under_way || session->sent != id) return;
    if (tries == 0) return give_up(session);
    const Site& site = sites_[session->endpoint];
    for (int copies = one_in(10) ? 2 : 1; copies > 0; --copies) {
        if (site.cut_off || chance_.below(100) < loss_) continue;
        const Duration delay = up_to(one_in(20) ? Duration(seconds(4)) : Duration(milliseconds(200)));
        after(delay, [this, session, id, notify] { received(session, id, notify); });
    }
    after(wait,
          [this, session, id, notify, tries, wait] { transmit(session, id, notify, tries - 1, 2 * wait); });
}

void World::answered(const SessionPtr& session, std::uint32_t id, std::optional<wire::NotifyType> answer) {
    if (!group_ || !session->at_gateway || !session->under_way || session->sent != id) return;
    session->under_way.reset();
    if (!answer) {
        group_->acknowledged(session->key, engine_now());
    } else {
        ++tally_.refused;
        session->refused = now_;
        group_->refused(session->key, *answer, engine_now());
    }
    pump();
}

void World::give_up(const SessionPtr& session) {
    ++tally_.lost;
    session->at_gateway = false;
    sessions_.erase(session->key);
    group_->leave(session->key, Leave::lost);
    pump();
}

void World::note_generation(const Push& push) {
    const auto put = read_put(push.notify, {});
    if (!put) return fail("the gateway sends what nobody reads");
    const Standing standing = group_->standing();
    if (!standing.stored && push.generation == standing.generation) fail("told before it was stored");
    if (put->sa.spi < kFirstGroupSpi) fail("an SPI outside the range");
    const auto [number, new_number] = numbers_.try_emplace(push.generation, put->sa.spi);
    if (number->second != put->sa.spi) return fail("a generation was used again");
    if (new_number && number != std::prev(numbers_.end())) return fail("generations go back");
    crypto::DirectionKeys keyset = keys(backend_, put->sa);
    const auto [truth, fresh] = truths_.try_emplace(put->sa.spi);
    if (fresh != new_number) return fail("an SPI was used again");
    const Bytes key(keyset.encr.view().begin(), keyset.encr.view().end());
    if (fresh)
        truth->second = {push.generation,       key,  true_time(standing.switch_at),
                         ends_.at(put->sa.spi), now_, {}};
    else if (truth->second.key != key)
        fail("a generation has other keys");
    if (now_ + put->life > truth->second.expires) fail("the gateway promises a longer life than there is");
}

// ---- endpoints

void World::connect(std::size_t index) {
    Site& site = sites_[index];
    if (!site.wants_in || site.session) return;
    if (!group_ || site.cut_off) return after(seconds(5), [this, index] { connect(index); });
    for (auto at = sessions_.begin(); at != sessions_.end();) { // RFC 7296 2.4: INITIAL_CONTACT
        const SessionPtr old = at->second;
        ++at;
        if (old->endpoint != index) continue;
        old->at_gateway = false;
        sessions_.erase(old->key);
        group_->leave(old->key, Leave::lost);
    }
    ++tally_.joins;
    site.missed = 0;
    site.session = std::make_shared<Session>();
    site.session->key = ++last_key_;
    site.session->endpoint = index;
    site.session->since = now_;
    sessions_[last_key_] = site.session;
    // Who comes back is no stranger; after a restart nobody is.
    if (recalled_ != 0 && group_->standing().generation == recalled_)
        site.entitled = Instant::min();
    else if (!group_->remembers(site.last_key))
        site.entitled = now_;
    group_->join(last_key_, engine_now(), std::exchange(site.last_key, last_key_));
    pump();
}

void World::received(const SessionPtr& session, std::uint32_t id, const wire::Notify& notify) {
    Site& site = sites_[session->endpoint];
    if (!session->at_endpoint || site.session != session || site.cut_off) return;
    const bool repeated = session->answers.contains(id);
    if (!repeated || sloppy_) {
        std::optional<wire::NotifyType> answer;
        auto put = read_put(notify, {});
        const bool mood = moody_ && one_in(10);
        const auto taken = put ? site.sas.put(std::move(*put), now_, backend_, mood)
                               : std::expected<void, Breach>(std::unexpected(put.error()));
        if (!taken) answer = group::answer(taken.error());
        if (!taken && taken.error() != Breach::spi_in_use)
            fail("refused: " + std::string(name(taken.error())));
        if (!repeated) session->answers[id] = answer;
        carry_out(session->endpoint);
        if (!site.sends) {
            if (!answer) fail("an SA was taken, and nothing is sent with");
        }
    }
    if (chance_.below(100) < loss_) return;
    after(up_to(milliseconds(200)), [this, session, id] {
        if (!sites_[session->endpoint].cut_off) answered(session, id, session->answers.at(id));
    });
}

void World::carry_out(std::size_t index) {
    Site& site = sites_[index];
    for (const Step& step : site.sas.take_steps()) {
        if (const auto* install = std::get_if<InstallSa>(&step)) {
            const View key = install->keys.encr.view();
            const Truth& truth = truths_.at(install->spi);
            if (!equal(key, truth.key)) fail("an endpoint has other keys than the gateway");
            if (site.reads.contains(install->spi)) fail("installed twice");
            site.reads[install->spi] = truth.key;
            if (terms_.rekey_on_join && truth.first_sent && *truth.first_sent < site.entitled)
                fail("who joined was told what others had sent with");
        } else if (const auto* send = std::get_if<SendWith>(&step)) {
            if (!site.reads.contains(send->spi)) fail("sends with what is not installed");
            Truth& truth = truths_.at(send->spi);
            if (truth.generation < site.best_sent) fail("went back to an old SA");
            site.best_sent = truth.generation;
            site.sends = send->spi;
            if (!truth.first_sent) truth.first_sent = now_;
        } else if (const auto* remove = std::get_if<RemoveSa>(&step)) {
            if (site.reads.erase(remove->spi) == 0) fail("removes what is not installed");
            if (site.sends == remove->spi) site.sends.reset();
            tally_.expired += remove->why == Removal::expired;
        }
    }
    if (site.sends != site.sas.sending()) fail("another SA is sent with than the endpoint says");
    if (site.reads.empty()) site.best_sent = 0;
    site_timer(index);
}

void World::site_timer(std::size_t index) {
    const auto next = sites_[index].sas.next_timeout();
    if (!next) return;
    after(std::max<Duration>(*next - now_, Duration(1)), [this, index] {
        const auto due = sites_[index].sas.next_timeout();
        if (!due || *due > now_) return;
        sites_[index].sas.on_timeout(now_);
        carry_out(index);
    });
}

// RFC 7296 2.4: an endpoint asks now and then whether the gateway is there, and begins anew when it is not.
void World::liveness(std::size_t index) {
    after(seconds(20), [this, index] { liveness(index); });
    Site& site = sites_[index];
    if (!site.session) return;
    const bool answers = site.session->at_gateway && group_ && !site.cut_off;
    site.missed = answers ? 0 : site.missed + 1;
    if (site.missed < 2) return;
    site.session->at_endpoint = false;
    site.session.reset();
    connect(index);
}

void World::leave(std::size_t index) {
    Site& site = sites_[index];
    ++tally_.leaves;
    site.wants_in = false;
    const SessionPtr session = std::exchange(site.session, nullptr);
    site.sas.gateway_deleted();
    carry_out(index);
    if (!session) return;
    session->at_endpoint = false;
    // The Delete arrives, or the gateway will find out.
    if (!group_ || !session->at_gateway || site.cut_off || chance_.below(100) < loss_) return;
    session->at_gateway = false;
    sessions_.erase(session->key);
    const Standing standing = group_->standing();
    group_->leave(session->key, Leave::left);
    if (terms_.rekey_on_leave && numbers_.contains(standing.generation)) {
        // The rollover that is under way, then its own up to the moment at which everybody has switched.
        const Duration most =
            terms_.rollover2 + terms_.delivery + terms_.rollover1 + terms_.delivery + seconds(140);
        banned_.emplace_back(now_ + most, standing.generation);
    }
    pump();
}

void World::change_of_mind(std::size_t index) {
    after(seconds(10) + up_to(seconds(one_in(2) ? 60 : 1500)), [this, index] { change_of_mind(index); });
    Site& site = sites_[index];
    if (!site.wants_in) {
        site.wants_in = true;
        return connect(index);
    }
    if (one_in(2)) return leave(index);
    // Dies, and is there again at once.
    site.sas = EndpointSas();
    site.reads.clear();
    site.sends.reset();
    site.best_sent = 0;
    if (site.session) site.session->at_endpoint = false;
    site.session.reset();
    connect(index);
}

void World::weather(std::size_t index) {
    Site& site = sites_[index];
    site.cut_off = !site.cut_off;
    if (!site.cut_off) site.reachable_since = now_;
    const seconds most = site.cut_off ? seconds(one_in(3) ? 900 : 40) : seconds(1500);
    after(up_to(most), [this, index] { weather(index); });
}

// ---- checks

void World::check() {
    check_lives();
    if (!group_ || !wrong_.empty()) return;
    check_pairs();
    check_promptness();
    check_secrecy();
}

// In the gateway's eyes; an endpoint that it has not told the newest yet counts as long as nobody can have
// begun to send with that.
bool World::up_to_date(const Site& site) const {
    if (!site.session || !site.session->at_gateway || !site.session->at_endpoint) return false;
    const auto member = group_->member(site.session->key);
    const Standing standing = group_->standing();
    if (!member || member->acknowledged == 0) return false;
    if (member->acknowledged == standing.generation) return true;
    if (!standing.old_spi || member->acknowledged + 1 != standing.generation) return false;
    const auto old = truths_.find(*standing.old_spi);
    const auto newest = truths_.find(standing.spi);
    if (old == truths_.end() || now_ >= old->second.expires - seconds(10)) return false;
    return newest == truths_.end() ||
           now_ < newest->second.switch_at - seconds(3); // as well as it was on record
}

// Whether the old SA ends before everybody can have switched, since the gateway was away when it was time for
// a rollover. Then each endpoint switches by its own count of the old one's life, and they differ.
bool World::hurried() const {
    const Standing standing = group_->standing();
    const auto newest = truths_.find(standing.spi);
    if (!standing.old_spi || newest == truths_.end()) return false;
    const auto old = truths_.find(*standing.old_spi);
    if (old == truths_.end()) return false;
    const Instant end = old->second.expires;
    return now_ >= newest->second.switch_at && end < newest->second.switch_at + terms_.delivery + seconds(5);
}

void World::check_pairs() {
    if (hurried()) {
        ++tally_.hurried;
        return;
    }
    std::vector<const Site*> ready;
    for (const Site& site : sites_)
        if (up_to_date(site)) ready.push_back(&site);
    for (const Site* a : ready)
        for (const Site* b : ready) {
            if (a == b) continue;
            ++tally_.pairs;
            if (!a->sends) return fail("an endpoint that is up to date does not send");
            // Who joins is not to read what others still send with the SA before.
            if (group_->member(b->session->key)->from > truths_.at(*a->sends).generation) continue;
            if (!b->reads.contains(*a->sends)) return fail("not read by another: " + text(*a->sends));
            tally_.rolling_pairs += a->sends != b->sends;
        }
}

void World::check_lives() {
    for (const Site& site : sites_)
        for (const auto& [spi, key] : site.reads)
            if (now_ > truths_.at(spi).expires + terms_.delivery) fail("beyond its life: " + text(spi));
}

void World::check_promptness() {
    if (moody_) return; // then members wait on purpose
    // Two pushes, and a window that is not free; who joins waits for the others to send with the new SA.
    const seconds patience = seconds(90) + (terms_.rekey_on_join ? terms_.rollover1 : seconds(0));
    const Standing standing = group_->standing();
    const auto newest = truths_.find(standing.spi);
    if (newest == truths_.end() || now_ - up_since_ < patience) return;
    if (now_ - newest->second.told < patience) return;
    for (const Site& site : sites_) {
        if (!site.session || !site.session->at_gateway || now_ - site.session->since < patience) continue;
        const MemberStanding member = *group_->member(site.session->key);
        if (member.from <= standing.generation && member.acknowledged < standing.generation)
            fail("a member is still not told");
    }
}

void World::check_secrecy() {
    for (const auto& [from, generation] : banned_) {
        if (now_ < from) continue;
        for (const Site& site : sites_)
            if (up_to_date(site) && site.sends && truths_.at(*site.sends).generation <= generation)
                fail("what is sent can be read by one who left");
    }
}

} // namespace sheaf::group::test
