// The CRLs of one CA: fetched in time, kept, shown to the identities, and looked into for their own certificates
// (QRY-4 … QRY-6, SM-18).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/lifecycle/crl_state.h"
#include "agent/runtime/ca_query.h"
#include "agent/runtime/identity_runner.h"
#include "transport/scep/crl.h"

namespace hwenroll::runtime {

/// On the loop's thread. One fetch at a time. Whatever becomes of it, certificates are renewed as ever: a failure is
/// told (log, history, status; an alert once the list at hand has ended) and nothing else.
class CrlWatch : public std::enable_shared_from_this<CrlWatch> {
 public:
    /// The identities of the CA that are there now.
    using Runners = std::function<std::vector<IdentityRunner*>()>;

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

    /// Fetches the list of the CA that issued the published certificates now, whatever its time, or joins a fetch under
    /// way. `done`: `changed` is true for a list that was not at hand. Errors: config_value (`crl` is off),
    /// unknown_name (no identity of the CA has a certificate), those of a fetch.
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
        Bytes issuer;
        Bytes leaf;
        Seconds life{};
        scep::CrlPoints points = {};
    };

    [[nodiscard]] bool is_off() const { return authority_->settings().crl == config::CrlSource::off; }
    Status load();
    void show();
    [[nodiscard]] std::vector<Subject> subjects() const;
    [[nodiscard]] std::vector<Bytes> wanted_issuers() const;
    [[nodiscard]] lifecycle::CrlState state_of(const Bytes& issuer) const;
    [[nodiscard]] std::optional<Querent> querent(bool with_certificate) const;
    [[nodiscard]] std::optional<PublicKey> own_key(const Bytes& serial) const;
    void forget();
    void begin_fetch(const Bytes& issuer);
    void fetch_by_point(const std::shared_ptr<const Fetch>& fetch, std::size_t at);
    void fetch_by_message(const std::shared_ptr<const Fetch>& fetch);
    void accept(const Fetch& fetch, scep::Crl list);
    [[nodiscard]] Bytes mark_of(const IdentityRunner& runner) const;
    [[nodiscard]] bool was_looked_up(const IdentityRunner& runner) const;
    Result<scep::Crl> judge(const Fetch& fetch, Bytes body);
    void failed(const Fetch& fetch, const Error& error);
    void end_fetch(const Result<control::Acceptance>& outcome);
    Status keep(lifecycle::CrlState state, ByteView document, const std::string& note);
    void tell_of_ended();
    void look_up();
    void report(IdentityRunner& runner, const scep::Revocation& found);
    [[nodiscard]] bool is_revoked(const Certificate& certificate);
    void warn(const std::string& text);

    Surroundings at_;
    http::Client& client_;
    std::shared_ptr<AuthorityAccess> authority_;
    Runners runners_;
    bool loaded_ = false;
    TimePoint load_again_;
    std::vector<lifecycle::CrlState> states_;
    bool fetching_ = false;
    std::vector<control::ControlService::Accepted> waiting_;
    std::map<std::string, Bytes> looked_up_;  ///< by identity: the list and the certificate that were compared last
    std::map<std::string, Bytes> on_hold_;    ///< by identity: serial of a certificate that the CA has suspended
    TimePoint look_again_{};                  ///< after a look that could not be written down
    bool must_look_ = true;                   ///< a crash may have kept an identity from hearing of its list
    bool told_of_fallback_ = false;           ///< that GetCRL takes the place of distribution points
    std::function<void(const std::string&)> alert_;
    std::function<void()> ended_;
};

}  // namespace hwenroll::runtime
