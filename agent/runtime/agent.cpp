#include "agent/runtime/agent.h"

#include <algorithm>
#include <utility>

namespace hwenroll::runtime {
namespace {

constexpr std::string_view user_agent = "hwenroll";

/// How long to wait with what is due and cannot begin, such as a switch under a clock that is not trusted.
constexpr Seconds blocked_pause{2};

/// How far ahead one sleeps when nothing is due at all.
constexpr Seconds idle_pause{86400};

}  // namespace

Agent::Agent(EventLoop& loop, store::Store& store, const Clock& clock, observe::Log& log,
             keystore::WorkerProgram worker, Watchers watchers)
    : loop_(loop),
      clock_trust_(store, clock),
      at_{loop, store, clock, log, clock_trust_, &counts_},
      worker_(std::move(worker)),
      watchers_(std::move(watchers)),
      progress_(observe::Progress::wanted()),
      client_(loop, std::string(user_agent)) {
    loop_.serve(client_);
    if (observe::Progress::wanted()) {
        // Nowhere else: an agent that has nothing to do sleeps.
        loop_.every(observe::Progress::interval, [this] { progress_.tick(); });
    }
}

/// Token threads first: their jobs and results refer to the rest.
Agent::~Agent() {
    residents_.clear();
    tokens_.clear();
}

void Agent::adopt(const config::Configuration& configuration) {
    look_at_clock();
    if (!publisher_ || places_->publish_dir != configuration.agent.publish_dir) {
        if (publisher_) {
            former_publishers_.push_back(std::move(publisher_));
        }
        publisher_ = std::make_unique<publish::Publisher>(configuration.agent.publish_dir);
        // Later: it looks at every identity's directory.
        loop_.post([this] {
            if (const Status swept = publisher_->sweep(); !swept) {
                at_.log.write({observe::Level::warning, swept.error().line()});
            }
        });
    }
    const Places places{configuration.agent.publish_dir, configuration.agent.runtime_dir};
    if (!places_ || *places_ != places) {
        places_ = std::make_shared<const Places>(places);
    }
    adopt_tokens(configuration);
    adopt_authorities(configuration);
    adopt_crls();
    for (auto& [name, resident] : residents_) {
        resident.leaving = !configuration.identities.contains(name);
    }
    for (const auto& [name, settings] : configuration.identities) {
        adopt_identity(settings);
    }
    sweep();
    loop_.post([this] { tick(); });
}

void Agent::adopt_tokens(const config::Configuration& configuration) {
    std::map<std::string, std::shared_ptr<TokenAccess>> tokens;
    for (const auto& [name, settings] : configuration.tokens) {
        const auto known = tokens_.find(name);
        tokens[name] = known != tokens_.end() && known->second->settings() == settings
                           ? known->second
                           : std::make_shared<TokenAccess>(at_, worker_, settings);
    }
    for (const auto& [name, token] : tokens_) {
        former_tokens_.emplace_back(token);
    }
    tokens_ = std::move(tokens);
}

void Agent::adopt_authorities(const config::Configuration& configuration) {
    std::map<std::string, std::shared_ptr<AuthorityAccess>> authorities;
    for (const auto& [name, settings] : configuration.authorities) {
        auto& authority = authorities[name];
        if (const auto known = authorities_.find(name); known != authorities_.end()) {
            authority = known->second;
            if (authority->settings() != settings || authority->limits() != configuration.limits) {
                authority->reconfigure(settings, configuration.limits);
            }
            continue;
        }
        authority = std::make_shared<AuthorityAccess>(at_, client_, settings, configuration.limits);
        authority->on_change([this, name = name] { on_authority_change(name); });
        authority->on_sought([this] { tell_if_quiet(); });
        authority->on_alert([this, name = name](const std::string& text) {
            if (watchers_.authority_alert && !text.empty()) {
                watchers_.authority_alert(name, text);
            }
        });
    }
    authorities_ = std::move(authorities);
}

void Agent::adopt_crls() {
    std::map<std::string, std::shared_ptr<CrlWatch>> watches;
    for (const auto& [name, authority] : authorities_) {
        if (const auto known = crls_.find(name); known != crls_.end()) {
            watches[name] = known->second;
            continue;
        }
        auto watch =
            std::make_shared<CrlWatch>(at_, client_, authority, [this, name = name] { return runners_of(name); });
        watch->on_ended([this] {
            tick_crls();
            arm();
            tell_if_quiet();
        });
        watch->on_alert([this, name = name](const std::string& text) {
            if (watchers_.authority_alert) {
                watchers_.authority_alert(name, text);
            }
        });
        watch->begin();
        watches[name] = std::move(watch);
    }
    crls_ = std::move(watches);
}

/// Those whose state is known.
std::vector<IdentityRunner*> Agent::runners_of(const std::string& authority) const {
    std::vector<IdentityRunner*> runners;
    for (const auto& [name, resident] : residents_) {
        if (resident.runner && !resident.leaving && resident.runner->settings().ca == authority) {
            runners.push_back(resident.runner.get());
        }
    }
    return runners;
}

void Agent::tick_crls() {
    const TimePoint now = at_.clock.now();
    for (const auto& [name, watch] : crls_) {
        if (const auto due = watch->next_due(); due && *due <= now) {
            watch->tick();
        }
    }
}

void Agent::adopt_identity(const config::IdentitySettings& settings) {
    Resident& resident = residents_[settings.name];
    const Tokens tokens{tokens_.at(settings.token), settings.signer ? tokens_.at(settings.signer->token) : nullptr};
    const auto& authority = authorities_.at(settings.ca);
    if (resident.runner && resident.runner->uses(settings, tokens, authority, *places_)) {
        resident.successor.reset();
        return;
    }
    resident.successor = std::make_unique<IdentityRunner>(at_, progress_, *publisher_, tokens_, tokens, authority,
                                                          client_, places_, settings);
}

void Agent::start(IdentityRunner& runner) {
    const std::string name = runner.name();
    runner.start([this, name](const std::optional<Error>& outcome) { on_settled(name, outcome); },
                 [this, name](const IdentityNews& news) {
                     if (watchers_.news) {
                         watchers_.news(name, news);
                     }
                 });
}

/// Changes of the household wait until nothing is on the stack of the runner that they may end.
void Agent::on_settled(const std::string& identity, const std::optional<Error>& outcome) {
    if (watchers_.settled) {
        watchers_.settled(identity, outcome);
    }
    if (std::exchange(sweeping_, true)) {
        return;
    }
    loop_.post([this] {
        sweeping_ = false;
        sweep();
        tick_crls();
        arm();
        tell_if_quiet();
    });
}

void Agent::tell_if_quiet() {
    const bool seeking = std::ranges::any_of(authorities_, [](const auto& one) { return one.second->seeking(); });
    const bool fetching = std::ranges::any_of(crls_, [](const auto& one) { return one.second->fetching(); });
    if (busy() == 0 && !seeking && !fetching && watchers_.quiet) {
        watchers_.quiet();
    }
}

/// Runners that are settled make room for their successors.
void Agent::sweep() {
    for (auto entry = residents_.begin(); entry != residents_.end();) {
        Resident& resident = entry->second;
        const bool free = !resident.runner || !resident.runner->busy();
        if (free && resident.leaving) {
            entry = residents_.erase(entry);
            continue;
        }
        if (free && resident.successor) {
            resident.runner = std::move(resident.successor);
            start(*resident.runner);
        }
        ++entry;
    }
    std::erase_if(former_tokens_, [](const std::weak_ptr<TokenAccess>& token) { return token.expired(); });
}

void Agent::on_authority_change(const std::string& authority) {
    for (auto& [name, resident] : residents_) {
        if (resident.runner && resident.runner->settings().ca == authority) {
            resident.runner->tick();
        }
    }
    arm();
}

bool Agent::look_at_clock() {
    const bool before = clock_trust_.trusted();
    const std::string why = clock_trust_.why();
    const Status looked = clock_trust_.look();
    const std::string unkept = looked ? std::string() : looked.error().line();
    if (std::exchange(clock_unkept_, unkept) != unkept && !looked) {
        at_.log.write(looked.error(), {});
    }
    if (!clock_trust_.trusted() && (before || why != clock_trust_.why())) {
        at_.log.write({observe::Level::warning, "the clock is not trusted: " + clock_trust_.why() +
                                                    "; nothing is destroyed, switched or taken away until it is"});
    } else if (clock_trust_.trusted() && !before && !why.empty()) {
        at_.log.write({observe::Level::info, "the clock is trusted again"});
    }
    return clock_trust_.trusted() != before;
}

void Agent::tick(bool all) {
    all = look_at_clock() || all;
    const TimePoint now = at_.clock.now();
    for (auto& [name, authority] : authorities_) {
        if (const auto due = authority->next_due(); due && *due <= now) {
            authority->tick();
        }
    }
    tick_crls();
    for (auto& [name, resident] : residents_) {
        if (!resident.runner) {
            continue;
        }
        resident.runner->look_again(now);
        const auto due = resident.runner->next_due();
        if (all || (due && *due <= now)) {
            resident.runner->tick();
        }
    }
    arm();
}

void Agent::arm() {
    const TimePoint now = at_.clock.now();
    Seconds pause = idle_pause;
    const auto consider = [&](const std::optional<TimePoint>& due) {
        if (due) {
            pause = std::min(pause, *due > now ? Seconds(*due - now) : blocked_pause);
        }
    };
    for (auto& [name, authority] : authorities_) {
        consider(authority->next_due());
    }
    for (const auto& [name, watch] : crls_) {
        consider(watch->next_due());
    }
    for (const auto& [name, resident] : residents_) {
        consider(resident.runner ? resident.runner->next_due() : std::nullopt);
    }
    alarm_ = loop_.after(at_.clock.sleep_for(pause), [this] { tick(); });
}

void Agent::interrupt(std::chrono::milliseconds login_patience) {
    const auto deadline = std::chrono::steady_clock::now() + login_patience;
    for (const auto& [name, token] : tokens_) {
        token->interrupt(deadline);
    }
    for (const auto& former : former_tokens_) {
        if (const auto token = former.lock()) {
            token->interrupt(deadline);
        }
    }
}

IdentityRunner* Agent::find(const std::string& identity) {
    const auto found = residents_.find(identity);
    return found == residents_.end() || found->second.leaving ? nullptr : found->second.runner.get();
}

AuthorityAccess* Agent::find_authority(const std::string& authority) {
    const auto found = authorities_.find(authority);
    return found == authorities_.end() ? nullptr : found->second.get();
}

CrlWatch* Agent::find_crls(const std::string& authority) {
    const auto found = crls_.find(authority);
    return found == crls_.end() ? nullptr : found->second.get();
}

std::vector<std::string> Agent::identities(const std::string& after, std::size_t limit) const {
    std::vector<std::string> names;
    for (auto entry = residents_.upper_bound(after); entry != residents_.end() && names.size() < limit; ++entry) {
        if (!entry->second.leaving) {
            names.push_back(entry->first);
        }
    }
    return names;
}

std::size_t Agent::busy() const {
    return static_cast<std::size_t>(std::ranges::count_if(residents_, [](const auto& one) {
        return one.second.successor || (one.second.runner && one.second.runner->busy());
    }));
}

}  // namespace hwenroll::runtime
