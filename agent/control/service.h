// What the agent offers on its control socket, in values: the daemon implements it, the server speaks for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/observe/metrics.h"
#include "base/clock.h"
#include "base/result.h"

namespace hwenroll::control {

/// The certificate that consumers see now.
struct CertificateView {
    std::string subject;      ///< RFC 4514
    std::string issuer;       ///< RFC 4514
    std::string serial;       ///< hexadecimal
    std::string fingerprint;  ///< `SHA256:AB:…`
    TimePoint not_before;
    TimePoint not_after;
    friend bool operator==(const CertificateView&, const CertificateView&) = default;
};

/// The last failure, kept until the next success.
struct FailureView {
    ErrorCode code = ErrorCode::internal;
    std::string line;  ///< Error::line(): printable, no secret
    TimePoint at;
    std::int64_t consecutive = 0;
    friend bool operator==(const FailureView&, const FailureView&) = default;
};

/// That consumers are still to be told of what is published.
struct DeliveryView {
    std::int64_t generation = 0;
    std::int64_t attempts = 0;                    ///< how often they were told in vain since they were told
    std::optional<ErrorCode> code = {};           ///< of the last of these; nothing: there was none, or nobody knows
    std::string line = {};                        ///< Error::line() of it: which program or check failed
    std::optional<TimePoint> since = {};          ///< of the first of these
    TimePoint next_try;                           ///< no later than now: it is under way
    std::optional<TimePoint> confirmed_end = {};  ///< notAfter of the certificate that they were last told of
    friend bool operator==(const DeliveryView&, const DeliveryView&) = default;
};

/// The CRL that is published with a certificate, or to be.
struct CrlView {
    std::string source;                    ///< `cdp` or `scep`, as configured
    std::string number;                    ///< cRLNumber, hexadecimal; empty: none
    std::optional<TimePoint> this_update;  ///< none: no list is at hand
    std::optional<TimePoint> next_update;
    std::int64_t entries = 0;
    TimePoint next_fetch;
    std::string failure;  ///< Error::line() of the last fetch; empty: it succeeded
    friend bool operator==(const CrlView&, const CrlView&) = default;
};

/// One identity as `hwenroll status` shows it. Made of a stored state by view_of() (identity_view.h).
struct IdentityView {
    std::string name;
    bool enabled = true;      ///< false: its configuration has a fault
    std::string ca;           ///< configured name; empty when disabled
    std::string token;        ///< configured name; empty when disabled
    std::string subject;      ///< as configured; empty when disabled
    std::string word;         ///< observe::status_word(), or DISABLED
    std::string next;         ///< one sentence: what happens next and when
    std::string waiting_for;  ///< observe::to_text(WaitingFor)
    std::string notice;       ///< what an operator has to decide about its CA; empty: nothing
    bool settled = false;  ///< waiting for a further event is of no use: published and nothing under way, or consumers
                           ///< were told in vain, or held, or disabled
    TimePoint at;          ///< the agent's clock when this was so
    std::optional<TimePoint> next_at;            ///< when the next step is due
    std::optional<TimePoint> renew_at;           ///< when the renewal begins
    std::optional<TimePoint> shadow_not_before;  ///< a shadow certificate is ready and counts from then on
    std::optional<std::int64_t> generation;      ///< published
    std::string published;                       ///< path of the published files; empty: none
    std::string key_id;                          ///< hexadecimal CKA_ID of the published key; empty: none
    std::optional<CertificateView> certificate;
    std::optional<FailureView> failure;
    std::optional<CrlView> crl;                 ///< where its CA's CRLs are fetched
    std::optional<DeliveryView> delivery = {};  ///< until consumers were told of what is published
    friend bool operator==(const IdentityView&, const IdentityView&) = default;
};

/// One identity in a line: what `hwenroll status` shows of each where it shows all of them. Made of a stored state by
/// row_of() (identity_view.h), without a look into the certificate.
struct OverviewRow {
    std::string name;
    bool enabled = true;  ///< as IdentityView::enabled, likewise the next three
    std::string word;
    std::string next;
    bool settled = false;
    std::string failure;                       ///< Error::line() of the last failure; empty: none
    std::optional<TimePoint> not_after;        ///< of the certificate that consumers see
    std::optional<TimePoint> not_before = {};  ///< of the same
    std::optional<TimePoint> renew_at = {};    ///< as IdentityView::renew_at
    friend bool operator==(const OverviewRow&, const OverviewRow&) = default;
};

/// Identities in the order of their names.
struct Overview {
    TimePoint at;  ///< the agent's clock when this was so
    std::vector<OverviewRow> rows;
    std::vector<std::string> notices;  ///< what an operator has to decide about their CAs, each once
    friend bool operator==(const Overview&, const Overview&) = default;
};

/// Metrics of some identities, in the order of their names, and with the first page those of the agent as a whole.
struct MetricsPage {
    std::vector<observe::MetricFamily> families;
    std::string last;  ///< the name after which the next page begins
    bool ended = true;
};

/// Something that happened to an identity.
struct IdentityEvent {
    std::string identity;
    TimePoint at;
    std::string word;                ///< status word after it
    std::string text;                ///< one printable line, no secret
    bool settled = false;            ///< as IdentityView::settled, after it
    std::optional<ErrorCode> error;  ///< the failure that the identity has now; none: all is well
    friend bool operator==(const IdentityEvent&, const IdentityEvent&) = default;
};

/// How a change was taken.
struct Acceptance {
    bool changed = false;          ///< false: there was nothing to do, which is no failure
    std::string text;              ///< one sentence: what was begun, or why there is nothing to do
    std::string certificate = {};  ///< PEM, where one was asked for
    friend bool operator==(const Acceptance&, const Acceptance&) = default;
};

/// What resuming has changed; see runtime::Resumption.
struct ResumptionView {
    std::string token;
    bool hold_released = false;
    bool pin_released = false;
    bool pin_file_must_change = false;
    bool delivery_retried = false;
    friend bool operator==(const ResumptionView&, const ResumptionView&) = default;
};

/// A line of the history.
struct HistoryEvent {
    std::string kind;  ///< "identity", "authority" or "token"
    std::string name;
    TimePoint at;
    std::string text;
    friend bool operator==(const HistoryEvent&, const HistoryEvent&) = default;
};

/// A CA as far as the agent knows it. Made of a stored state by view_of() (authority_view.h).
struct AuthorityView {
    std::string name;
    std::string state;                         ///< `untrusted`, `trusted`, `next-known`, `next-unaccepted`, `switched`
    std::optional<TimePoint> not_after;        ///< of the CA that issues now; nothing: none is trusted
    std::optional<TimePoint> next_not_before;  ///< of its successor
    std::optional<TimePoint> next_not_after;
    std::string failure;  ///< Error::line() of the last time that it was asked; empty: it answered
    friend bool operator==(const AuthorityView&, const AuthorityView&) = default;
};

/// A token as far as is known without asking it.
struct TokenView {
    std::string name;
    std::string state;       ///< `unused`, `up`, `busy`, `failed`, `locked`
    std::string pin;         ///< at the last login: `ok`, `few-tries`, `final-try`, `locked`; empty: not known
    std::int64_t busy = 0;   ///< seconds since the call under way began; 0: none, or it has just begun
    std::string failure;     ///< Error::line() of its last use; empty: that succeeded
    bool logged_in = false;  ///< a login of the agent stands
    friend bool operator==(const TokenView&, const TokenView&) = default;
};

/// The agent itself and what it depends on, for `hwenroll status` and `hwenroll doctor`.
struct Health {
    TimePoint at;               ///< the agent's clock when this was so
    std::string version;        ///< of the running program
    std::string configuration;  ///< config::Configuration::digest that is in force, hexadecimal
    std::string notice;         ///< why it rests, or why a reload was refused; empty: neither
    std::string clock;          ///< why the clock is not trusted; empty: it is
    std::vector<AuthorityView> authorities;
    std::vector<TokenView> tokens;
    friend bool operator==(const Health&, const Health&) = default;
};

/// What came of the test of the key that an identity publishes.
struct KeyTestView {
    std::string identity;
    std::string outcome;             ///< `tested`: it signs and, where that is asked of it, opens; `failed`; `untested`
    std::string token;               ///< configured name; empty: not known
    std::string key;                 ///< `RSA 2048`; empty: not known
    std::string reason;              ///< why it failed, or was not tested; empty: neither
    std::string next;                ///< what to do about that
    std::optional<ErrorCode> error;  ///< of a failure
    friend bool operator==(const KeyTestView&, const KeyTestView&) = default;
};

/// Octets of PEM text that adopt_certificate() takes: a certificate and its chain, well below what a call may have.
inline constexpr std::size_t max_adopted_text = 48U << 10U;

/// Called on the loop's thread only and never blocks: a change is begun, not waited for. Once a change returns with
/// `changed`, the identity's view is not settled until what it began has ended. An unknown identity is the error
/// unknown_name.
class ControlService {
 public:
    using EventSink = std::function<void(const IdentityEvent&)>;
    using Accepted = std::function<void(const Result<Acceptance>&)>;
    using Tested = std::function<void(const Result<std::vector<KeyTestView>>&)>;

    ControlService() = default;
    ControlService(const ControlService&) = delete;
    ControlService& operator=(const ControlService&) = delete;
    virtual ~ControlService() = default;

    /// All identities in the order of their names, disabled ones included; or one.
    virtual Result<std::vector<IdentityView>> status(const std::optional<std::string>& identity) = 0;

    /// Of all identities the first `limit` whose names come after `after`, which is empty for the first page and need
    /// not be there any more. Fewer than `limit`: there are no others.
    virtual Result<std::vector<IdentityView>> status_page(const std::string& after, std::size_t limit) = 0;
    virtual Result<Overview> overview_page(const std::string& after, std::size_t limit) = 0;

    /// Of the agent, its CAs and its tokens. Asks nobody.
    virtual Result<Health> health() = 0;

    virtual Result<MetricsPage> metrics_page(const std::string& after, std::size_t limit) = 0;

    virtual Result<Acceptance> enroll(const std::string& identity) = 0;
    virtual Result<Acceptance> renew(const std::string& identity, bool rekey) = 0;
    virtual Result<Acceptance> cancel(const std::string& identity) = 0;
    virtual Result<ResumptionView> resume(const std::string& identity) = 0;

    /// Trusts the successor that a CA has announced and that waits for an operator's word: only if it has this
    /// fingerprint (`SHA256:…`), where one is given. An unknown CA is the error unknown_name.
    virtual Result<Acceptance> accept_next(const std::string& ca, const std::optional<std::string>& fingerprint) = 0;

    /// Takes over a certificate that was issued elsewhere and whose key is on the identity's token. `certificates`:
    /// PEM, the identity's own first, then any that lead to its CA. Token and CA are asked first, so `done` is called
    /// later, or at once where nothing has to be asked: with what was decided, which is kept by then, or with what is
    /// wrong, and then nothing has changed. It is not called any more once the agent ends.
    virtual void adopt_certificate(const std::string& identity, const std::string& certificates, Accepted done) = 0;

    /// Fetches the CRL of a CA now; `done` is called later or at once. `changed`: a newer one is published. An unknown
    /// CA is the error unknown_name.
    virtual void fetch_crl(const std::string& ca, Accepted done) = 0;

    /// Asks a CA for a certificate by its serial number in hexadecimal (GetCert), which a key on a token signs;
    /// Acceptance::certificate is the answer. Errors: unknown_name, usage (no serial number).
    virtual void fetch_certificate(const std::string& ca, const std::string& serial, Accepted done) = 0;

    /// Has the key that each identity publishes, or one, sign and open once, by the agent's own logins; what is at work
    /// is not disturbed. Nothing but a login's record is changed. `done` is called later or at once, in bounded time,
    /// and not any more once the agent ends: identities that publish nothing are left out unless one was asked for.
    virtual void test_keys(const std::optional<std::string>& identity, Tested done) = 0;

    /// The newest `limit` entries first: of one identity, or of everything.
    virtual Result<std::vector<HistoryEvent>> history(const std::optional<std::string>& identity,
                                                      std::int64_t limit) = 0;

    /// Where events go from now on, on the loop's thread; an empty function ends it. One sink at a time. An event may
    /// be reported from within a call of the functions above.
    virtual void subscribe(EventSink sink) = 0;
};

}  // namespace hwenroll::control
