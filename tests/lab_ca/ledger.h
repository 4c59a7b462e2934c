// What became of each transaction, so that a request that is sent again gets the same answer (SRV-9, resynchronisation
// of draft-nourse-scep-11 appendix E), and every certificate that was issued. Both outlive a restart.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "base/certificate.h"
#include "tests/lab_ca/certification_request.h"

namespace hwenroll::lab_ca {

/// Whether a person has to decide.
enum class Approval { not_needed, awaited, granted };

/// A transaction that was admitted.
struct Transaction {
    CertificationRequest request;
    PublicKey signer_key;        ///< of the message's signer
    std::size_t generation = 1;  ///< of the CA whose certificate the request was enveloped for
    unsigned int pending{};      ///< how often PENDING is still to be answered before the decision
    TimePoint undecided_until{};
    Approval approval = Approval::not_needed;
    std::optional<Outcome<Certificate>> decision;
};

/// One certificate that was issued.
struct Issued {
    Certificate certificate;
    std::string transaction_id;
    std::size_t generation = 1;
};

/// Kept in DIR/transactions/ (a file each, 0600, without the challenge), DIR/issued.jsonl and DIR/revoked. Movable;
/// used by one thread.
class Ledger {
 public:
    /// Reads what is there. Error code: input_file.
    static Result<Ledger> open(const std::filesystem::path& directory);

    /// nullptr when there is none of that transactionID. Borrowed; call save() after a change.
    [[nodiscard]] Transaction* find(const std::string& transaction_id);

    /// Borrowed as above. Not written before save().
    Transaction& record(const std::string& transaction_id, Transaction transaction);

    /// Error code: input_file.
    Status save(const std::string& transaction_id) const;

    /// Error code: input_file.
    Status file(Issued issued);

    /// Error code: input_file.
    Status revoke(const std::string& serial);

    [[nodiscard]] bool revoked(const Certificate& certificate) const;

    /// In the order of their issue.
    [[nodiscard]] const std::vector<Issued>& issued() const { return issued_; }

    [[nodiscard]] const std::map<std::string, Transaction>& transactions() const { return transactions_; }

 private:
    explicit Ledger(std::filesystem::path directory) : directory_(std::move(directory)) {}
    Status load_transaction(const std::filesystem::path& path);
    Status load_issued();
    Status load_revoked();

    std::filesystem::path directory_;
    std::map<std::string, Transaction> transactions_;
    std::vector<Issued> issued_;
    std::set<std::string> revoked_;
};

/// The certificate as `/lab/issued` and issued.jsonl show it: one JSON object.
std::string to_json(const Issued& issued);

}  // namespace hwenroll::lab_ca
