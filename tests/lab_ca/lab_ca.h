// The CA as a service: HTTP requests in, HTTP replies out. No sockets and no clock of its own.
#pragma once

#include <filesystem>
#include <memory>

#include "base/clock.h"
#include "base/secret.h"
#include "tests/lab_ca/authorization.h"
#include "tests/lab_ca/capabilities.h"
#include "tests/lab_ca/caps_reply.h"
#include "tests/lab_ca/crl.h"
#include "tests/lab_ca/faults.h"
#include "tests/lab_ca/generations.h"
#include "tests/lab_ca/hierarchy.h"
#include "tests/lab_ca/http_manner.h"
#include "tests/lab_ca/http_server.h"
#include "tests/lab_ca/ledger.h"
#include "tests/lab_ca/lint.h"
#include "tests/lab_ca/lint_log.h"
#include "tests/lab_ca/next_ca_reply.h"
#include "tests/lab_ca/repetition.h"
#include "tests/lab_ca/reply_envelope.h"
#include "tests/lab_ca/scep_reply.h"

namespace hwenroll::lab_ca {

/// When GetNextCACert is announced (CAPS-12, ROLL-17).
enum class NextCaKeyword {
    always,  ///< from the first day of a CA that rolls over
    never,
    until_shadow,  ///< it vanishes as soon as there is a next CA
};

/// Which renewals bring no new certificate but the one that signs them (SRV-8, DEG-4).
enum class NoProgress { never, same_key, always };

/// What the CA does with a request that is enveloped for the next CA, and how it hands out that CA (SRV-10).
struct ShadowPolicy {
    NextCaForm form = NextCaForm::nested;
    NextCaKeyword keyword = NextCaKeyword::always;
    bool valid_at_once = false;      ///< in place of from the end of the old CA on
    bool issued_by_current = false;  ///< by the old CA all the same (ROLL-15)
    bool answered_by_next = false;   ///< the reply is signed by the next CA (ROLL-12)
};

/// When an admitted request is decided (SRV-6). All of it must be over.
struct DecisionPolicy {
    unsigned int pending = 0;          ///< how often each request is answered PENDING
    Seconds delay{0};                  ///< on the CA's clock
    bool needs_approval = false;       ///< by lab_interface.h; replaces a challenge that is missing
    std::optional<Rejection> refusal;  ///< every decision, in place of a certificate
};

struct LabCaOptions {
    std::filesystem::path directory;
    Secret challenge;
    Capabilities capabilities = Capabilities::standard();
    bool allow_weak_requests = false;  ///< SHA-1, single DES and 3DES in requests
    IssuePolicy issue;
    AdmissionPolicy admission;
    std::optional<Seconds> one_time_challenges;  ///< how long each lives; they take the place of `challenge`
    DecisionPolicy decision;
    RolloverPolicy rollover;
    ShadowPolicy shadow;
    std::vector<FaultRule> faults;
    NoProgress no_progress = NoProgress::never;
    std::vector<Certificate> manufacturers;  ///< whose certificates may sign a first request (SIG-4)
    CrlPolicy crl;
    Seconds signing_time_window{300};
    CapsPolicy caps;
    HttpManner manner;
    HierarchyPolicy hierarchy;
    ReplyShape reply;
    RepetitionPolicy repetition;
    int undecodable_status =
        0;  ///< HTTP status of a request that cannot be opened; 0: a CertRep where possible (SRV-17)
    ReplyEnvelope reply_envelope = ReplyEnvelope::by_key;
    int reply_iterations = 10'000;  ///< of PBKDF2, where a reply is encrypted under the challenge
};

/// A SCEP CA for tests. Used by one thread. Writes lint.jsonl in its directory besides what Generations and Ledger keep
/// there.
class LabCa final : public HttpService {
 public:
    /// `clock` must outlive the CA. Error codes: input_file, crypto, config_value (no challenge).
    static Result<std::unique_ptr<LabCa>> open(LabCaOptions options, const Clock& clock);

    /// Of the CA that issues now.
    [[nodiscard]] const Certificate& certificate() const {
        return generations_.at(generations_.current(clock_.now())).certificate();
    }

    HttpReply answer(const HttpRequest& request) override;
    void refused(const HttpRequest& understood, int status) override;

 private:
    /// What the CA keeps in its directory.
    struct Holdings {
        Generations generations;
        Hierarchy hierarchy;
        Ledger ledger;
    };

    LabCa(LabCaOptions options, const Clock& clock, Holdings holdings, AlgorithmFloor floor);
    static Result<Holdings> open_holdings(const LabCaOptions& options, TimePoint now);

    /// One message and what is settled about it. Generations by number.
    struct Exchange {
        const HttpRequest& http;
        TimePoint now;
        std::size_t current;
        std::optional<std::size_t> next;
        std::size_t recipient;  ///< for which the request is enveloped
        std::size_t answerer;   ///< which signs the reply
        Capabilities capabilities;
        ReplyShape shape;
        LintRecord record;
        std::optional<CertRep> answer{};  ///< before it was encoded
    };

    /// A PKCS#10 that was read, with the kind of its message's signer.
    struct Application {
        CertificationRequest csr;
        SignerKind signer;
    };

    [[nodiscard]] Exchange begin(const HttpRequest& request, TimePoint now) const;
    [[nodiscard]] Capabilities capabilities(std::optional<std::size_t> next) const;
    HttpReply answer_with_faults(Exchange& exchange);
    HttpReply dispatch(Exchange& exchange);
    HttpReply give_challenge();
    HttpReply ca_certificate(const Exchange& exchange);
    HttpReply next_ca_certificate(const Exchange& exchange);
    Result<const SigningIdentity*> ra_of(const Exchange& exchange);

    // PKIOperation, in pki_operation.cpp
    HttpReply pki_operation(Exchange& exchange);
    HttpReply answer_message(Exchange& exchange, ByteView message);
    Result<Bytes> write_reply(const Exchange& exchange, const CertRep& reply) const;
    Outcome<CertRep> process(Exchange& exchange, const ScepRequest& request, ByteView message);
    Outcome<SignerKind> verify(const Exchange& exchange, const ScepRequest& request);
    Outcome<Bytes> open_for_us(Exchange& exchange, const ScepRequest& request, const EnvelopedDataSyntax& envelope);
    Outcome<Application> read_application(Exchange& exchange, const ScepRequest& request, SignerKind signer,
                                          ByteView csr_der, ByteView message);
    Outcome<CertRep> enroll(Exchange& exchange, const ScepRequest& request, Application application);
    Outcome<CertRep> poll(Exchange& exchange, const ScepRequest& request, ByteView content);

    // GetCert, GetCRL and lists by HTTP, in query.cpp
    [[nodiscard]] std::optional<std::size_t> generation_of(const IssuerAndSerial& name) const;
    Outcome<CertRep> get_certificate(Exchange& exchange, const ScepRequest& request, ByteView content);
    Outcome<CertRep> get_crl(Exchange& exchange, const ScepRequest& request, ByteView content);
    HttpReply crl_by_http(const CrlPath& path, const HttpRequest& request, TimePoint now);
    HttpReply answer_about_crls(const HttpRequest& request);

    Outcome<CertRep> proceed(Exchange& exchange, const ScepRequest& request, Transaction& transaction);
    Outcome<Certificate> decide(const Exchange& exchange, const std::string& transaction_id, Transaction& transaction);
    [[nodiscard]] bool makes_no_progress(const ScepRequest& request, const Application& application) const;
    [[nodiscard]] Outcome<CertRep> success(const Exchange& exchange, const ScepRequest& request,
                                           const Certificate& issued, std::size_t generation) const;

    LabCaOptions options_;
    const Clock& clock_;
    Generations generations_;
    Hierarchy hierarchy_;
    Ledger ledger_;
    AlgorithmFloor floor_;
    Authorization authorization_;
    std::map<std::size_t, SigningIdentity> ras_;  ///< by generation, made when first needed
    CrlIssuer crls_;
    Faults faults_;
    Freshness freshness_;
    LintLog log_;
};

}  // namespace hwenroll::lab_ca
