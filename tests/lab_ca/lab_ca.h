// The CA as a service: HTTP requests in, HTTP replies out. No sockets and no clock of its own.
#pragma once

#include <filesystem>
#include <memory>

#include "base/clock.h"
#include "base/secret.h"
#include "tests/lab_ca/authority.h"
#include "tests/lab_ca/authorization.h"
#include "tests/lab_ca/capabilities.h"
#include "tests/lab_ca/http_server.h"
#include "tests/lab_ca/ledger.h"
#include "tests/lab_ca/lint.h"
#include "tests/lab_ca/lint_log.h"
#include "tests/lab_ca/scep_reply.h"

namespace hwenroll::lab_ca {

struct LabCaOptions {
    std::filesystem::path directory;
    Secret challenge;
    Capabilities capabilities = Capabilities::standard();
    bool allow_weak_requests = false;  ///< SHA-1, single DES and 3DES in requests
    IssuePolicy issue;
    AdmissionPolicy admission;         ///< RenewalReq is enabled when it is announced, whatever this says
    unsigned int pending = 0;          ///< SRV-6: how often each admitted request is answered PENDING
    std::optional<Rejection> refusal;  ///< the decision about every admitted request, in place of a certificate
    bool issuer_in_reply = true;       ///< SRV-12: some clients take whichever certificate comes first in the SET
    Seconds signing_time_window{300};
};

/// A SCEP CA for tests. Used by one thread. Writes lint.jsonl in its directory besides what Authority keeps there.
class LabCa final : public HttpService {
 public:
    /// `clock` must outlive the CA. Error codes: input_file, crypto, config_value (no challenge).
    static Result<std::unique_ptr<LabCa>> open(LabCaOptions options, const Clock& clock);

    [[nodiscard]] const Certificate& certificate() const { return authority_.certificate(); }

    HttpReply answer(const HttpRequest& request) override;
    void refused(const HttpRequest& understood, int status) override;

 private:
    LabCa(LabCaOptions options, const Clock& clock, Authority authority, AlgorithmFloor floor);

    /// What one message led to, beside the answer to it.
    struct Exchange {
        const HttpRequest& http;
        TimePoint now;
        LintRecord record;
    };

    HttpReply dispatch(Exchange& exchange);
    HttpReply pki_operation(Exchange& exchange);
    HttpReply answer_message(Exchange& exchange, ByteView message);
    Outcome<CertRep> process(Exchange& exchange, const ScepRequest& request, ByteView message);
    Outcome<CertRep> enroll(Exchange& exchange, const ScepRequest& request, SignerKind signer, ByteView csr_der,
                            ByteView message);
    Outcome<CertRep> poll(Exchange& exchange, const ScepRequest& request, ByteView content);
    Outcome<CertRep> proceed(const ScepRequest& request, Transaction& transaction, TimePoint now);
    Outcome<Certificate> decide(const CertificationRequest& csr, TimePoint now);
    [[nodiscard]] CertRep success(const ScepRequest& request, const Certificate& issued) const;

    LabCaOptions options_;
    const Clock& clock_;
    Authority authority_;
    AlgorithmFloor floor_;
    Authorization authorization_;
    Ledger ledger_;
    Freshness freshness_;
    LintLog log_;
};

}  // namespace hwenroll::lab_ca
