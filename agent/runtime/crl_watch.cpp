#include "agent/runtime/crl_watch.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/lifecycle/crl_retention.h"
#include "agent/runtime/system_clock.h"
#include "base/pem.h"
#include "transport/scep/query.h"

namespace hwenroll::runtime {

using lifecycle::CrlName;

namespace {

/// Between two tries to read what could not be read.
constexpr Seconds load_pause{60};

/// Octets of a reply to GetCert: one certificate, its chain and the envelope around them.
constexpr std::size_t max_certificate_reply = std::size_t{1} << 20U;

/// A list in an envelope is in memory four times over: received, verified, decrypted and taken out (invariant 10).
constexpr std::size_t enveloped_share = 4;

std::string name_of(const lifecycle::CrlRecord& crl) {
    return fmt::format("CRL{} of {} with {} entries, next update {}",
                       crl.number.empty() ? std::string() : " number " + to_hex(crl.number),
                       to_iso8601(crl.this_update), crl.entries,
                       crl.next_update ? to_iso8601(*crl.next_update) : std::string("not said"));
}

lifecycle::CrlRecord record_of(const scep::Crl& crl) {
    return {sha256(crl.der), crl.number, crl.this_update, crl.next_update, crl.entries};
}

/// Of several lists. The first that could not be had is the failure; the others are published all the same.
Result<control::Acceptance> summary_of(const std::vector<Result<control::Acceptance>>& outcomes) {
    control::Acceptance all;
    for (const auto& outcome : outcomes) {
        if (!outcome) {
            return outcome;
        }
        all.changed = all.changed || outcome->changed;
        all.text += (all.text.empty() ? "" : "; ") + outcome->text;
    }
    return all;
}

bool is_rsa(const lifecycle::KeyRecord& key) {
    const auto read = PublicKey::from_spki(key.spki);
    return read && read->is_rsa();
}

}  // namespace

CrlWatch::CrlWatch(const Surroundings& surroundings, http::Client& client, std::shared_ptr<AuthorityAccess> authority,
                   Runners runners)
    : at_(surroundings),
      client_(client),
      authority_(std::move(authority)),
      runners_(std::move(runners)),
      lookup_(at_, runners_, [this](const std::string& text) { warn(text); }) {}

void CrlWatch::begin() {
    authority_->judge_signers_by([watch = weak_from_this()](const Certificate& certificate) {
        const auto self = watch.lock();
        return self && !self->is_off() && self->lookup_.is_revoked(certificate, self->states_, self->wanted());
    });
    if (const Status loaded = load(); !loaded) {
        warn(loaded.error().line());
    }
}

Status CrlWatch::load() {
    if (loaded_) {
        return {};
    }
    auto stored = at_.store.crls(authority_->settings().name);
    if (!stored) {
        load_again_ = at_.clock.now() + load_pause;
        return fail(stored.error());
    }
    states_ = *std::move(stored);
    loaded_ = true;
    show();
    return {};
}

void CrlWatch::show() {
    std::vector<lifecycle::AuthorityFacts::IssuerCrl> crls;
    for (const lifecycle::CrlState& state : states_) {
        if (!is_off() && !state.crl.digest.empty()) {
            crls.push_back({state.issuer, state.scope, state.crl.digest});
        }
    }
    authority_->show_crls(std::move(crls));
}

/// What is published, what is about to be and what waits for the CA's rollover: the list should be there before.
std::vector<CrlWatch::Subject> CrlWatch::subjects() const {
    std::vector<Subject> all;
    for (const IdentityRunner* const runner : runners_()) {
        const lifecycle::IdentityState& state = runner->state();
        if (state.current) {
            all.push_back({runner, &state.current->issued});
        }
        if (state.next) {
            all.push_back({runner, &state.next->issued});
        }
        if (state.shadow) {
            all.push_back({runner, &state.shadow->credential.issued});
        }
    }
    return all;
}

std::vector<CrlName> CrlWatch::wanted() const {
    std::vector<CrlName> names;
    for (const Subject& subject : subjects()) {
        auto name = lifecycle::crl_of(*subject.issued);
        if (name && std::ranges::find(names, *name) == names.end()) {
            names.push_back(*std::move(name));
        }
    }
    return names;
}

lifecycle::CrlState CrlWatch::state_of(const CrlName& name) const {
    const lifecycle::CrlState* const found = lifecycle::find_crl(states_, name);
    lifecycle::CrlState fresh;
    fresh.issuer = name.issuer;
    fresh.scope = name.scope;
    return found == nullptr ? fresh : *found;
}

const lifecycle::CrlState* CrlWatch::state_for(const lifecycle::IssuedRecord& issued) const {
    const auto name = lifecycle::crl_of(issued);
    return is_off() || !name ? nullptr : lifecycle::find_crl(states_, *name);
}

/// QRY-7: with a certificate of the CA, or, where no identity has one, with what a key signs for itself. An RSA key
/// asks before an EC key, which not every CA answers, and a revoked certificate last.
std::optional<Querent> CrlWatch::querent(bool with_certificate) const {
    std::optional<Querent> found;
    int best = 0;
    for (const IdentityRunner* const runner : runners_()) {
        const lifecycle::IdentityState& state = runner->state();
        const bool has_one = state.current && at_.clock.now() < state.current->issued.not_after;
        const bool has_key = state.enrollment && !state.enrollment->key.spki.empty();
        if (!has_one && (with_certificate || !has_key)) {
            continue;
        }
        const lifecycle::KeyRecord& key = has_one ? state.current->key : state.enrollment->key;
        const int rank = 1 + (is_rsa(key) ? 1 : 0) + (has_one ? 2 : 0) + (has_one && !state.revoked ? 4 : 0);
        if (rank > best) {
            best = rank;
            found = Querent{runner->name(), runner->token(), key, has_one ? state.current->issued.leaf : Bytes(),
                            runner->settings().subject};
        }
    }
    return found;
}

/// `crl` is off: nothing is known any more, and nothing published.
void CrlWatch::forget() {
    const Status forgotten =
        at_.store.commit_crls(authority_->settings().name, {}, {}, "CRLs are not fetched any more", at_.clock.now());
    if (!forgotten) {
        forget_again_ = at_.clock.now() + load_pause;
        return warn(forgotten.error().line());
    }
    states_.clear();
    lookup_.forget();
}

void CrlWatch::tick() {
    if (!load()) {
        return;
    }
    if (is_off()) {
        if (!states_.empty()) {
            forget();
        }
        return show();
    }
    show();
    lookup_.look(states_);
    tell_of_ended();
    if (fetching_) {
        return;
    }
    const TimePoint now = at_.clock.now();
    for (const CrlName& name : wanted()) {
        if (lifecycle::next_fetch(state_of(name), now) <= now) {
            return begin_fetch(name);
        }
    }
}

std::optional<TimePoint> CrlWatch::next_due() {
    if (!loaded_) {
        return load_again_;
    }
    const TimePoint now = at_.clock.now();
    if (is_off()) {
        return states_.empty() ? std::nullopt : std::optional(std::max(now, forget_again_));
    }
    std::optional<TimePoint> due = lookup_.next_due(states_);
    const auto consider = [&](TimePoint time) { due = due ? std::min(*due, time) : time; };
    for (const CrlName& name : fetching_ ? std::vector<CrlName>() : wanted()) {
        consider(lifecycle::next_fetch(state_of(name), now));
    }
    for (const lifecycle::CrlState& state : fetching_ ? std::vector<lifecycle::CrlState>() : relied_upon()) {
        if (lifecycle::is_to_be_told(state, now)) {
            consider(at_.clock_trust.trusted() ? now : now + load_pause);
        } else if (!state.told_at && state.crl.next_update) {
            consider(*state.crl.next_update + Seconds(1));
        }
    }
    return due;
}

void CrlWatch::fetch_now(control::ControlService::Accepted done) {
    const std::string& name = authority_->settings().name;
    if (is_off()) {
        return done(fail(Error(ErrorCode::config_value, "'crl' of this CA is \"off\"", {},
                               "set it to \"cdp\" or \"scep\" in its [ca.*] section")
                             .about("ca " + name)));
    }
    const Status loaded = load();
    std::vector<CrlName> names = wanted();
    if (!loaded || names.empty()) {
        return done(fail(!loaded ? loaded.error()
                                 : Error(ErrorCode::unknown_name, "no identity of this CA has a certificate", {},
                                         "'hwenroll enroll ID' first: a CRL is that of a certificate's issuer")
                                       .about("ca " + name)));
    }
    const bool joins = !waiting_.empty();
    if (!joins) {
        asked_ = std::move(names);
        std::ranges::reverse(asked_);
        outcomes_.clear();
        if (fetching_) {
            std::erase(asked_, fetched_);
        }
    }
    waiting_.push_back(std::move(done));
    if (!joins && !fetching_) {
        fetch_next();
    }
}

/// Of those that were asked for; one after the other, and those that answer at once in no deeper stack.
void CrlWatch::fetch_next() {
    if (fetching_ || asked_.empty()) {
        return;  // tick() was there first
    }
    const CrlName name = asked_.back();
    asked_.pop_back();
    begin_fetch(name);
}

void CrlWatch::begin_fetch(const CrlName& name) {
    const auto all = subjects();
    const auto subject =
        std::ranges::find_if(all, [&](const Subject& one) { return lifecycle::crl_of(*one.issued) == name; });
    fetching_ = true;
    fetched_ = name;
    std::erase(asked_, name);
    if (subject == all.end()) {
        return end_fetch(control::Acceptance{false, "its certificate is gone"});
    }
    Fetch fetch{name, subject->issued->leaf, lifecycle::lifetime(*subject->issued)};
    const auto leaf = Certificate::from_der(fetch.leaf);
    if (!leaf) {
        return failed(fetch, leaf.error());
    }
    fetch.points = scep::crl_points(*leaf);
    const auto shared = std::make_shared<const Fetch>(std::move(fetch));
    const scep::CrlPoints& points = shared->points;
    if (authority_->settings().crl == config::CrlSource::scep) {
        return fetch_by_message(shared);
    }
    if (points.names.empty()) {  // QRY-4
        if (!std::exchange(told_of_fallback_, true)) {
            warn("its certificates name no CRL distribution point, the CA is asked by GetCRL instead");
        }
        return fetch_by_message(shared);
    }
    if (points.urls.empty()) {
        return failed(*shared,
                      Error(ErrorCode::crl_unusable, "the certificate names no CRL distribution point of http or https",
                            "it names " + fmt::format("{}", fmt::join(points.refused, ", ")),
                            "have the CA name one, or set crl = \"scep\""));
    }
    fetch_by_point(shared, 0);
}

void CrlWatch::fetch_by_point(const std::shared_ptr<const Fetch>& fetch, std::size_t at) {
    const config::AuthoritySettings& settings = authority_->settings();
    http::Request request;
    request.url = fetch->points.urls[at];
    request.limits = http_limits(authority_->limits(), authority_->limits().max_crl_bytes);
    request.route = {settings.proxy, settings.tls_ca.string(), settings.bind};
    client_.start(std::move(request), [self = shared_from_this(), fetch, at](Result<http::Response> response) {
        std::optional<Error> refused;
        if (!response) {
            refused = response.error();
        } else if (response->status != 200) {
            refused =
                Error(ErrorCode::crl_unusable,
                      fmt::format("'{}' answered HTTP {}", printable(fetch->points.urls[at], 200), response->status))
                    .retry_after(response->retry_after);
        }
        const bool last = at + 1 == fetch->points.urls.size();
        if (!refused) {
            auto list = self->judge(*fetch, std::move(response->body));
            if (list) {
                return self->accept(*fetch, *std::move(list));
            }
            refused = list.error();
        }
        // A stale mirror or a portal's page is no reason not to ask the next one.
        return last ? self->failed(*fetch, *refused) : self->fetch_by_point(fetch, at + 1);
    });
}

void CrlWatch::fetch_by_message(const std::shared_ptr<const Fetch>& fetch) {
    const auto asks = querent(true);
    const auto issuer = Certificate::from_der(fetch->name.issuer);
    const auto leaf = Certificate::from_der(fetch->leaf);
    if (!asks || !issuer || !leaf) {
        return failed(*fetch, !asks     ? Error(ErrorCode::token_key_missing,
                                                "no identity of this CA has a valid certificate to ask with")
                              : !issuer ? issuer.error()
                                        : leaf.error());
    }
    const std::size_t most =
        std::max(authority_->limits().max_crl_bytes / enveloped_share, authority_->limits().max_reply_bytes);
    Question question{scep::MessageType::get_crl, issuer->subject(), leaf->serial(), most};
    send_query(at_, authority_, *asks, std::move(question),
               [self = shared_from_this(), fetch, most](Result<QueryAnswer> answer) {
                   if (!answer) {
                       return self->failed(*fetch, answer.error());
                   }
                   scep::ParseLimits limits = parse_limits(self->authority_->limits(), true);
                   limits.max_message = most;
                   auto received = scep::read_degenerate_crl(answer->content.content, limits);
                   if (!received) {
                       return self->failed(*fetch, received.error());
                   }
                   for (const std::string& warning : received->warnings) {
                       self->warn(warning);
                   }
                   auto list = self->judge(*fetch, std::move(received->der));
                   list ? self->accept(*fetch, *std::move(list)) : self->failed(*fetch, list.error());
               });
}

Result<scep::Crl> CrlWatch::judge(const Fetch& fetch, Bytes body) {
    const lifecycle::CrlState at_hand = state_of(fetch.name);
    const TimePoint now = at_.clock.now();
    const bool trusted = at_.clock_trust.trusted();
    scep::ParseLimits limits = parse_limits(authority_->limits(), trusted);
    limits.max_message = authority_->limits().max_crl_bytes;
    auto crl = scep::read_crl(std::move(body), limits);
    auto issuer = Certificate::from_der(fetch.name.issuer);
    if (!crl || !issuer) {
        return fail(!crl ? crl.error() : issuer.error());
    }
    // The first list of other distribution points may not know less than what is known of its issuer.
    const auto since = !at_hand.crl.digest.empty() ? std::optional(at_hand.crl.this_update)
                       : crl->complete             ? newest_of(fetch.name.issuer)
                                                   : std::nullopt;
    const auto warnings =
        scep::judge_crl(*crl, {*std::move(issuer), now, permissions_of(authority_->settings().legacy, now, trusted),
                               limits, at_hand.crl.number, since, fetch.points.names});
    if (!warnings) {
        return fail(warnings.error());
    }
    for (const std::string& warning : *warnings) {
        warn(warning);
    }
    return crl;
}

void CrlWatch::accept(const Fetch& fetch, scep::Crl list) {
    const lifecycle::CrlState before = state_of(fetch.name);
    const auto drawn = draw();
    if (!drawn) {
        return failed(fetch, drawn.error());
    }
    const lifecycle::CrlRecord record = record_of(list);
    const bool changed = record.digest != before.crl.digest;
    const std::string text = name_of(record);
    const bool complete = list.complete;
    const Status kept =
        keep(lifecycle::after_fetch(before, record, at_.clock.now(), drawn->fraction),
             changed ? ByteView(list.der) : ByteView(), changed ? text + " is at hand" : std::string(), complete);
    list = {};  // megabytes, which are read again below (invariant 10)
    if (!kept) {
        return failed(fetch, kept.error());
    }
    if (changed) {
        at_.log.write(
            observe::record_about_authority(authority_->settings().name, observe::Level::info, text + " is at hand"));
    }
    show();
    lookup_.look(states_);
    end_fetch(control::Acceptance{changed, changed ? text + " is published" : text + " was at hand already"});
}

/// Told once for each cause; the times of all tries are in the state.
void CrlWatch::failed(const Fetch& fetch, const Error& error) {
    const Error named = Error(error).about("ca " + authority_->settings().name);
    const lifecycle::CrlState before = state_of(fetch.name);
    const bool repeated = before.failure && before.failure->line == named.line();
    const auto drawn = draw();
    const lifecycle::CrlState after =
        lifecycle::after_failure(before, named, fetch.life, at_.clock.now(), drawn ? drawn->fraction : 0);
    if (!repeated) {
        warn(error.line() + (before.crl.digest.empty() ? "" : "; the CRL at hand stays published"));
    }
    if (const Status kept = keep(after, {}, repeated ? std::string() : named.line()); !kept) {
        warn(kept.error().line());
    }
    end_fetch(fail(named));
}

/// Of the newest list of an issuer, whatever its distribution points.
std::optional<TimePoint> CrlWatch::newest_of(const Bytes& issuer) const {
    std::optional<TimePoint> newest;
    for (const lifecycle::CrlState& state : states_) {
        if (state.issuer == issuer && !state.crl.digest.empty() && (!newest || *newest < state.crl.this_update)) {
            newest = state.crl.this_update;
        }
    }
    return newest;
}

/// What the database does not keep counts all the same until the process ends: a full disk must not make it ask again
/// and again. A list that no certificate asks for any more still says which RAs are revoked: GetCACert is not signed,
/// and whoever has such an RA's key may keep the next list away (SIG-14, SEC-3).
/// A newer list that speaks of everybody (`supersedes`) says it better.
Status CrlWatch::keep(lifecycle::CrlState state, ByteView document, const std::string& note, bool supersedes) {
    const std::vector<CrlName> names = wanted();
    std::vector<lifecycle::CrlState> all;
    std::vector<lifecycle::CrlState> others;
    for (const lifecycle::CrlState& one : states_) {
        const CrlName name{one.issuer, one.scope};
        const bool replaced = name == CrlName{state.issuer, state.scope};
        if (!replaced) {
            const bool in_use = std::ranges::find(names, name) != names.end() || is_published(one);
            (in_use ? all : others).push_back(one);
        }
    }
    all.push_back(std::move(state));
    if (supersedes) {
        std::erase_if(others, [&](const lifecycle::CrlState& one) {
            return one.issuer == all.back().issuer && one.crl.this_update <= all.back().crl.this_update;
        });
    }
    lifecycle::retain_crls(all, std::move(others), names);
    Status kept = at_.store.commit_crls(authority_->settings().name, all, document, note, at_.clock.now());
    if (kept || document.empty()) {
        states_ = std::move(all);
    }
    return kept;
}

/// An identity that a faulty configuration keeps out for a while comes back to its list, and to the number below which
/// no other one is taken.
bool CrlWatch::is_published(const lifecycle::CrlState& state) const {
    return !state.crl.digest.empty() && at_.store.publishes_crl(state.crl.digest).value_or(true);
}

void CrlWatch::end_fetch(const Result<control::Acceptance>& outcome) {
    fetching_ = false;
    if (!waiting_.empty()) {
        outcomes_.push_back(outcome);
        if (!asked_.empty()) {
            return at_.loop.post([self = shared_from_this()] { self->fetch_next(); });
        }
        const Result<control::Acceptance> all = summary_of(std::exchange(outcomes_, {}));
        for (const auto& done : std::exchange(waiting_, {})) {
            done(all);
        }
    }
    if (ended_) {
        at_.loop.post(ended_);
    }
}

/// Every list that a certificate of its issuer asks for is at hand.
bool CrlWatch::has_all(const Bytes& issuer, const std::vector<CrlName>& names) const {
    return std::ranges::none_of(
        names, [&](const CrlName& name) { return name.issuer == issuer && state_of(name).crl.digest.empty(); });
}

/// The lists whose end consumers notice: those of the certificates, and one that is published because the next one of
/// its issuer, of other distribution points, could not be had.
std::vector<lifecycle::CrlState> CrlWatch::relied_upon() const {
    const std::vector<CrlName> names = wanted();
    std::vector<lifecycle::CrlState> found;
    for (const lifecycle::CrlState& one : states_) {
        const bool asked_for = std::ranges::find(names, CrlName{one.issuer, one.scope}) != names.end();
        if (asked_for || (!has_all(one.issuer, names) && is_published(one))) {
            found.push_back(one);
        }
    }
    return found;
}

/// Why there is nothing newer; empty: nothing failed.
std::string CrlWatch::why_none(const lifecycle::CrlState& state) const {
    if (state.failure) {
        return state.failure->line;
    }
    for (const CrlName& name : wanted()) {
        const lifecycle::CrlState other = state_of(name);
        if (name.issuer == state.issuer && other.failure) {
            return other.failure->line;
        }
    }
    return {};
}

/// Invariant 11: an old list is worth less every day, and whoever checks strictly refuses everybody by it.
void CrlWatch::tell_of_ended() {
    const TimePoint now = at_.clock.now();
    if (!at_.clock_trust.trusted()) {
        return;
    }
    for (lifecycle::CrlState& state : relied_upon()) {
        if (!lifecycle::is_to_be_told(state, now)) {
            continue;
        }
        const std::string why = why_none(state);
        const std::string text =
            fmt::format("the CRL has ended at {} and no newer one could be had; it stays published{}{}",
                        to_iso8601(*state.crl.next_update), why.empty() ? "" : ": ", why);
        state.told_at = now;
        if (const Status kept = keep(state, {}, text); !kept) {
            warn(kept.error().line());  // people are told all the same (invariant 11)
        }
        warn(text);
        if (alert_) {
            alert_(text);
        }
    }
}

/// QRY-3: the key of an identity whose certificate has this serial number.
std::optional<PublicKey> CrlWatch::own_key(const Bytes& serial) const {
    for (const Subject& subject : subjects()) {
        const auto leaf = Certificate::from_der(subject.issued->leaf);
        if (leaf && leaf->serial() == serial) {
            return leaf->public_key();
        }
    }
    return std::nullopt;
}

void CrlWatch::fetch_certificate(const Bytes& serial, control::ControlService::Accepted done) {
    const std::string about = "ca " + authority_->settings().name;
    const auto asks = querent(false);
    if (!asks) {
        return done(fail(Error(ErrorCode::token_key_missing, "no identity of this CA has a key to ask with", {},
                               "'hwenroll enroll ID' makes one")
                             .about(about)));
    }
    const std::optional<PublicKey> own = own_key(serial);
    send_query(at_, authority_, *asks, {scep::MessageType::get_cert, std::nullopt, serial, max_certificate_reply},
               [self = shared_from_this(), serial, own, about, done = std::move(done)](Result<QueryAnswer> answer) {
                   const scep::ParseLimits limits = parse_limits(self->authority_->limits(), true);
                   const auto received =
                       answer ? scep::read_degenerate(answer->content.content, limits) : fail(answer.error());
                   const auto found =
                       received ? scep::accept_queried(*received, {answer->authority->set.issuer, serial, own})
                                : fail(received.error());
                   if (!found) {
                       return done(fail(Error(found.error()).about(about)));
                   }
                   done(control::Acceptance{true, "the CA has given the certificate", to_pem(*found)});
               });
}

void CrlWatch::warn(const std::string& text) {
    at_.log.write(observe::record_about_authority(authority_->settings().name, observe::Level::warning, text));
}

}  // namespace hwenroll::runtime
