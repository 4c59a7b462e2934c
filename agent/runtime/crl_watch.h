// The CRLs of one CA: fetched in time, kept, and shown to the identities (QRY-4 … QRY-6).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/lifecycle/crl_state.h"
#include "agent/runtime/ca_query.h"
#include "agent/runtime/identity_runner.h"
#include "agent/runtime/revocation_lookup.h"
#include "transport/scep/crl.h"

namespace hwenroll::runtime {

/// On the loop's thread. One fetch at a time. Whatever becomes of it, certificates are renewed as ever: a failure is
/// told (log, history, status; an alert once the list at hand has ended) and nothing else.
class CrlWatch : public std::enable_shared_from_this<CrlWatch> {
 public:
    /// The identities of the CA that are there now.
    using Runners = RevocationLookup::Runners;

    /// The references outlive it; call begin() before anything else.
    CrlWatch(const Surroundings& surroundings, http::Client& client, std::shared_ptr<AuthorityAccess> authority,
             Runners runners);

    /// Reads what is stored and shows it to the identities.
    void begin();

    /// `alert` is called, on the loop, with what people are to be told.
    void on_alert(std::function<void(const std::string& text)> alert) { alert_ = std::move(alert); }

    /// Called from the loop, later, when a fetch has ended.
    void on_ended(std::function<void()> ended) { ended_ = std::move(ended); }

    /// Begins what is due.
    void tick();

    /// When tick() has something to do; nothing while a fetch is under way, or where no CRL is wanted.
    [[nodiscard]] std::optional<TimePoint> next_due();

    [[nodiscard]] bool fetching() const { return fetching_; }

    /// Fetches every list that speaks of an identity's certificate now, whatever its time: of each issuer and each set
    /// of distribution points, during a rollover those of both CAs. Joins what is under way. `done`: `changed` is true
    /// where one was not at hand. Errors: config_value (`crl` is off), unknown_name (no identity of the CA has a
    /// certificate), that of the first fetch that failed; the other lists count all the same.
    void fetch_now(control::ControlService::Accepted done);

    /// Asks the CA for a certificate by its serial number (GetCert). `done`: its PEM. Errors: token_key_missing (no
    /// identity of the CA has a key to ask with), those of send_query() and scep::accept_queried().
    void fetch_certificate(const Bytes& serial, control::ControlService::Accepted done);

    /// What is known of the list that speaks of this certificate; nullptr: nothing.
    [[nodiscard]] const lifecycle::CrlState* state_for(const lifecycle::IssuedRecord& issued) const;

 private:
    /// A certificate whose issuer's list is wanted, and whose it is.
    struct Subject {
        const IdentityRunner* runner = nullptr;
        const lifecycle::IssuedRecord* issued = nullptr;
    };
    /// One fetch: for which list, and by which certificate it is found.
    struct Fetch {
        lifecycle::CrlName name;
        Bytes leaf;
        Seconds life{};
        scep::CrlPoints points = {};
    };

    [[nodiscard]] bool is_off() const { return authority_->settings().crl == config::CrlSource::off; }
    Status load();
    void show();
    [[nodiscard]] std::vector<Subject> subjects() const;
    [[nodiscard]] std::vector<lifecycle::CrlName> wanted() const;
    [[nodiscard]] lifecycle::CrlState state_of(const lifecycle::CrlName& name) const;
    [[nodiscard]] bool is_published(const lifecycle::CrlState& state) const;
    [[nodiscard]] bool has_all(const Bytes& issuer, const std::vector<lifecycle::CrlName>& names) const;
    [[nodiscard]] std::vector<lifecycle::CrlState> relied_upon() const;
    [[nodiscard]] std::string why_none(const lifecycle::CrlState& state) const;
    [[nodiscard]] std::optional<TimePoint> newest_of(const Bytes& issuer) const;
    [[nodiscard]] std::optional<Querent> querent(bool with_certificate) const;
    [[nodiscard]] std::optional<PublicKey> own_key(const Bytes& serial) const;
    void forget();
    void fetch_next();
    void begin_fetch(const lifecycle::CrlName& name);
    void fetch_by_point(const std::shared_ptr<const Fetch>& fetch, std::size_t at);
    void fetch_by_message(const std::shared_ptr<const Fetch>& fetch);
    void accept(const Fetch& fetch, scep::Crl list);
    Result<scep::Crl> judge(const Fetch& fetch, Bytes body);
    void failed(const Fetch& fetch, const Error& error);
    void end_fetch(const Result<control::Acceptance>& outcome);
    Status keep(lifecycle::CrlState state, ByteView document, const std::string& note, bool supersedes = false);
    void tell_of_ended();
    void warn(const std::string& text);

    Surroundings at_;
    http::Client& client_;
    std::shared_ptr<AuthorityAccess> authority_;
    Runners runners_;
    RevocationLookup lookup_;
    bool loaded_ = false;
    TimePoint load_again_;
    std::vector<lifecycle::CrlState> states_;
    TimePoint forget_again_{};  ///< after a try that could not be written down
    bool fetching_ = false;
    lifecycle::CrlName fetched_;                              ///< by the fetch under way
    std::vector<control::ControlService::Accepted> waiting_;  ///< for what was asked for
    std::vector<lifecycle::CrlName> asked_;                   ///< what of that is still to be fetched
    std::vector<Result<control::Acceptance>> outcomes_;       ///< what came of the rest
    bool told_of_fallback_ = false;                           ///< that GetCRL takes the place of distribution points
    std::function<void(const std::string&)> alert_;
    std::function<void()> ended_;
};

}  // namespace hwenroll::runtime
