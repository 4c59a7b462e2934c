// A configured CA as the runtime uses it: its URLs, its capabilities, and its certificates once they are trusted.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/config/configuration.h"
#include "agent/control/service.h"
#include "agent/runtime/authority_rules.h"
#include "agent/runtime/authority_urls.h"
#include "agent/runtime/ca_answer.h"
#include "agent/runtime/recipient_rule.h"
#include "agent/runtime/token_access.h"
#include "transport/scep/ca_set.h"
#include "transport/scep/capabilities.h"
#include "transport/scep/next_ca.h"

namespace hwenroll::runtime {

/// A trusted CA, as of one generation. Immutable and shared with the token threads.
struct Authority {
    scep::CaSet set;
    scep::Capabilities capabilities;
    std::uint64_t generation = 0;
    std::vector<Certificate> predecessor_signers = {};  ///< of a successor: who signs until it takes over (ROLL-12)
    bool without_challenge = false;                     ///< QuerySet::without_challenge
};

/// One CA. On the loop's thread.
class AuthorityAccess : public std::enable_shared_from_this<AuthorityAccess> {
 public:
    AuthorityAccess(const Surroundings& surroundings, http::Client& client, const config::AuthoritySettings& settings,
                    const config::LimitSettings& limits);

    [[nodiscard]] const config::AuthoritySettings& settings() const { return settings_; }
    [[nodiscard]] const config::LimitSettings& limits() const { return limits_; }

    /// Grows with each reconfigure().
    [[nodiscard]] std::uint64_t revision() const { return revision_; }

    /// Calls `then` with the trusted CA, asking it first if need be. Several callers share one request.
    void need(std::function<void(Result<std::shared_ptr<const Authority>>)> then);

    /// The same for a GetCert or GetCRL, which may go where no request may; see set_for_query().
    void need_for_query(scep::MessageType type, std::function<void(Result<std::shared_ptr<const Authority>>)> then);

    /// The same for the CA's successor, as stored. Errors: ca_no_next when none is known any more.
    void need_next(std::function<void(Result<std::shared_ptr<const Authority>>)> then);

    /// The next need() asks the CA again. Error code: state_database.
    Status doubt();

    /// Asks the CA for its successor (GetNextCACert) and calls `then`, whatever came of it: facts() tells. Where the CA
    /// announces none, or no CA is trusted yet, nothing is asked.
    void seek_successor(std::function<void()> then);

    /// An operator's word that the successor that waits for it is the right one. `wanted`: the fingerprint that it must
    /// have, if given. Says which one is trusted now, or why nothing was done. Error code: state_database.
    Result<control::Acceptance> accept_successor(const std::optional<Bytes>& wanted);

    /// What is stored of it, read at first; nothing when it cannot be read.
    [[nodiscard]] std::optional<lifecycle::AuthorityState> known();

    /// What an operator has to decide about this CA, as of now; empty: nothing.
    [[nodiscard]] std::string notice();

    /// Time has passed: the successor may have to take over, or to be looked for.
    void tick();

    /// A search for the successor is under way.
    [[nodiscard]] bool seeking() const { return seeking_; }

    /// Why the last search in this process brought no successor; nothing: it brought one, or there was none.
    [[nodiscard]] const std::optional<Error>& seek_failure() const { return state_.seek_failure; }

    /// When tick() has something to do; nothing: not by time alone.
    [[nodiscard]] std::optional<TimePoint> next_due();

    /// What the machines of its identities are told. Reads the stored state at first.
    [[nodiscard]] lifecycle::AuthorityFacts facts();

    /// What the machines are told of CRLs from now on; see AuthorityFacts::crls.
    void show_crls(std::vector<lifecycle::AuthorityFacts::IssuerCrl> crls);

    /// Who tells whether an RA's certificate is revoked, as far as is known (SIG-14, BAD-49). Asked again for a CA
    /// whose CRL is shown anew.
    void judge_signers_by(IsRevoked is_revoked) { is_revoked_ = std::move(is_revoked); }

    /// `changed` is called, on the loop, after each change of facts().
    void on_change(std::function<void()> changed) { changed_ = std::move(changed); }

    /// Called from the loop, later, when a search for the successor has ended.
    void on_sought(std::function<void()> sought) { sought_ = std::move(sought); }

    /// `alert` is called, on the loop, with what people are to be told.
    void on_alert(std::function<void(const std::string& text)> alert) { alert_ = std::move(alert); }

    /// Other settings for the same CA. What is under way goes on; its outcome is judged by the new ones.
    void reconfigure(const config::AuthoritySettings& settings, const config::LimitSettings& limits);

    /// Runs an exchange with the first of the CA's URLs that answers; see AuthorityUrls.
    void exchange(std::function<http::Request(const std::string& url)> request,
                  std::function<void(Result<http::Response>)> done);

    /// How a message goes to `authority` (HTTP-7): by POST where it is announced, unless the configuration says.
    [[nodiscard]] RequestForm form(const Authority& authority) const;
    /// A PKIOperation with `message` as `form` has it, which learns the URL's length. It is not sent again by itself.
    [[nodiscard]] http::Request message(const std::string& url, const Bytes& message, std::size_t max_body,
                                        RequestForm& form) const;

    /// A request by GET for one of the operations that have no message.
    [[nodiscard]] http::Request get(const std::string& url, scep::Operation operation, std::size_t max_body) const;

 private:
    using Answer = Result<std::shared_ptr<const Authority>>;
    using Done = AuthorityUrls::Done;
    using MakeRequest = AuthorityUrls::MakeRequest;

    Status load();
    void remind_of_legacy();
    Status advance(const lifecycle::AuthorityEvent& event);
    [[nodiscard]] lifecycle::AuthorityPolicy policy() const;
    [[nodiscard]] std::vector<Bytes> pins() const;
    [[nodiscard]] scep::LegacyPermissions permitted(TimePoint now) const;
    [[nodiscard]] scep::CaExpectation expectation(TimePoint now) const;
    void trust(scep::CaSet set, const scep::Capabilities& capabilities, const scep::LegacyPermissions& judged_under);
    Status restore();
    Result<std::shared_ptr<const Authority>> restore_next(const Authority& current);
    Status take_other(const std::vector<Certificate>& received, const Error& refused);
    void fetch_successor(std::function<void()> then);
    Status read_successor(const Result<http::Response>& response);
    [[nodiscard]] scep::NextCaExpectation successor_expectation(TimePoint now) const;
    void fetch_capabilities(bool repeated);
    void fetch_certificates(const scep::Capabilities& capabilities);
    Status accept(scep::Capabilities capabilities, const Result<http::Response>& response);
    [[nodiscard]] Error asked_too_soon(Seconds wait) const;
    void tell_of_revoked(const scep::CaSet& set) const;
    [[nodiscard]] Answer for_query(scep::MessageType type, const Answer& current) const;
    void failed(const Error& error);
    void answer(const Answer& answer);

    Surroundings at_;
    config::AuthoritySettings settings_;
    config::LimitSettings limits_;
    std::uint64_t revision_ = 0;
    lifecycle::AuthorityState state_;
    bool loaded_ = false;
    std::optional<TimePoint> legacy_told_;  ///< when this process last said that `legacy` ends
    bool must_fetch_ = false;
    std::optional<Seconds> refused_for_;
    bool must_seek_ = false;
    bool seeking_ = false;
    std::shared_ptr<const Authority> authority_;
    bool judged_by_time_ = false;           ///< authority_ was: the clock was trusted
    scep::LegacyPermissions judged_under_;  ///< what `legacy` permitted when authority_ was judged
    std::vector<std::function<void(Answer)>> waiting_;
    std::vector<std::function<void()>> seekers_;
    std::vector<lifecycle::AuthorityFacts::IssuerCrl> crls_;
    IsRevoked is_revoked_;
    std::function<void()> changed_;
    std::function<void()> sought_;
    std::function<void(const std::string&)> alert_;
    AuthorityUrls urls_;
};

}  // namespace hwenroll::runtime
