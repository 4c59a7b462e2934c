#include "tests/lab_ca/ledger.h"

#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/pem.h"
#include "tests/lab_ca/files.h"

namespace hwenroll::lab_ca {
namespace {

using Json = nlohmann::ordered_json;

tl::unexpected<Error> unreadable(const std::filesystem::path& path, std::string why) {
    return fail(ErrorCode::input_file, fmt::format("cannot read '{}'", path.string()), std::move(why),
                "start with an empty directory to make a new CA");
}

std::filesystem::path path_of(const std::filesystem::path& directory, const std::string& transaction_id) {
    return directory / "transactions" / (to_hex(sha256(as_bytes(transaction_id))) + ".json");
}

std::filesystem::path path_of_certificate(const std::filesystem::path& directory, const std::string& serial) {
    return directory / "issued" / (serial + ".pem");
}

Result<Certificate> read_certificate(const std::filesystem::path& directory, const std::string& serial) {
    const auto text = read_file(path_of_certificate(directory, serial));
    auto certificates = text ? certificates_from_pem(*text) : fail(text.error());
    return certificates ? Result<Certificate>(certificates->front()) : fail(certificates.error());
}

/// The PKCS#10 less its challengePassword; its signature is of no further use.
Bytes without_challenge(const CertificationRequest& request) {
    const OpenSslPtr<X509_REQ> copy(X509_REQ_dup(request.get()));
    int at = -1;
    while ((at = X509_REQ_get_attr_by_NID(copy.get(), NID_pkcs9_challengePassword, -1)) >= 0) {
        const OpenSslPtr<X509_ATTRIBUTE> removed(X509_REQ_delete_attr(copy.get(), at));
    }
    return der_of([&](unsigned char** out) { return i2d_X509_REQ(copy.get(), out); });
}

/// The text in base64, since it may be anything.
Json decision_of(const std::optional<Outcome<Certificate>>& decision) {
    if (!decision) {
        return {};
    }
    if (*decision) {
        return {{"serial", to_hex((*decision)->serial())}};
    }
    return {{"failInfo", static_cast<int>(decision->error().fail_info)},
            {"text", to_base64(as_bytes(decision->error().text))}};
}

Result<Transaction> transaction_of(const Json& json, const std::filesystem::path& directory) {
    const auto octets = [&](const char* name) {
        return from_base64(json.at(name).get<std::string>()).value_or(Bytes{});
    };
    auto request = CertificationRequest::from_der(octets("request"));
    auto signer_key = PublicKey::from_spki(octets("signerKey"));
    if (!request || !signer_key) {
        return fail(ErrorCode::input_file, "its request or key cannot be read");
    }
    Transaction out{*std::move(request),
                    *std::move(signer_key),
                    json.at("generation").get<std::size_t>(),
                    json.at("pending").get<unsigned int>(),
                    TimePoint(Seconds(json.at("undecidedUntil").get<std::int64_t>())),
                    static_cast<Approval>(json.at("approval").get<int>()),
                    std::nullopt};
    const Json& decision = json.at("decision");
    if (decision.contains("serial")) {
        auto certificate = read_certificate(directory, decision.at("serial").get<std::string>());
        if (!certificate) {
            return fail(certificate.error());
        }
        out.decision = *std::move(certificate);
    } else if (!decision.is_null()) {
        out.decision =
            reject(static_cast<FailInfo>(decision.at("failInfo").get<int>()),
                   std::string(as_text(from_base64(decision.at("text").get<std::string>()).value_or(Bytes{}))));
    }
    return out;
}

Json json_of(const Issued& issued) {
    const Certificate& certificate = issued.certificate;
    return {{"serial", to_hex(certificate.serial())},
            {"subject", certificate.subject().text()},
            {"publicKey", to_hex(sha256(certificate.public_key().spki()))},
            {"notBefore", to_iso8601(certificate.not_before())},
            {"notAfter", to_iso8601(certificate.not_after())},
            {"transactionID", issued.transaction_id},
            {"generation", issued.generation}};
}

}  // namespace

std::string to_json(const Issued& issued) {
    return json_of(issued).dump(-1, ' ', true, Json::error_handler_t::replace);
}

Result<Ledger> Ledger::open(const std::filesystem::path& directory) {
    Ledger out(directory);
    std::error_code error;
    std::filesystem::create_directories(directory / "transactions", error);
    if (error) {
        return fail(ErrorCode::input_file, fmt::format("cannot make the directory '{}'", directory.string()),
                    error.message());
    }
    Status loaded = out.load_issued();
    if (loaded) {
        loaded = out.load_revoked();
    }
    for (const auto& entry : std::filesystem::directory_iterator(directory / "transactions")) {
        if (loaded && entry.path().extension() == ".json") {
            loaded = out.load_transaction(entry.path());
        }
    }
    if (!loaded) {
        return fail(loaded.error());
    }
    return out;
}

Status Ledger::load_transaction(const std::filesystem::path& path) {
    const auto text = read_file(path);
    if (!text) {
        return fail(text.error());
    }
    try {
        const Json json = Json::parse(*text);
        auto transaction = transaction_of(json, directory_);
        if (!transaction) {
            return unreadable(path, transaction.error().line());
        }
        record(json.at("transactionID").get<std::string>(), *std::move(transaction));
    } catch (const Json::exception& exception) {
        return unreadable(path, exception.what());
    }
    return {};
}

Status Ledger::load_issued() {
    const std::filesystem::path path = directory_ / "issued.jsonl";
    const auto text = std::filesystem::exists(path) ? read_file(path) : Result<std::string>(std::string());
    if (!text) {
        return fail(text.error());
    }
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);) {
        try {
            const Json json = Json::parse(line);
            auto certificate = read_certificate(directory_, json.at("serial").get<std::string>());
            if (!certificate) {
                return fail(certificate.error());
            }
            issued_.push_back({*std::move(certificate), json.at("transactionID").get<std::string>(),
                               json.at("generation").get<std::size_t>()});
        } catch (const Json::exception& exception) {
            return unreadable(path, exception.what());
        }
    }
    return {};
}

Status Ledger::load_revoked() {
    const std::filesystem::path path = directory_ / "revoked";
    const auto text = std::filesystem::exists(path) ? read_file(path) : Result<std::string>(std::string());
    if (!text) {
        return fail(text.error());
    }
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);) {
        revoked_.insert(line);
    }
    return {};
}

Transaction* Ledger::find(const std::string& transaction_id) {
    const auto found = transactions_.find(transaction_id);
    return found == transactions_.end() ? nullptr : &found->second;
}

Transaction& Ledger::record(const std::string& transaction_id, Transaction transaction) {
    return transactions_.insert_or_assign(transaction_id, std::move(transaction)).first->second;
}

Status Ledger::save(const std::string& transaction_id) const {
    const Transaction& transaction = transactions_.at(transaction_id);
    const Json json{{"transactionID", transaction_id},
                    {"request", to_base64(without_challenge(transaction.request))},
                    {"signerKey", to_base64(transaction.signer_key.spki())},
                    {"generation", transaction.generation},
                    {"pending", transaction.pending},
                    {"undecidedUntil", transaction.undecided_until.time_since_epoch().count()},
                    {"approval", static_cast<int>(transaction.approval)},
                    {"decision", decision_of(transaction.decision)}};
    return write_file(path_of(directory_, transaction_id), json.dump() + "\n", 0600);
}

Status Ledger::file(Issued issued) {
    Status filed = append_line(directory_ / "issued.jsonl", to_json(issued) + "\n");
    issued_.push_back(std::move(issued));
    return filed;
}

Status Ledger::revoke(const std::string& serial) {
    revoked_.insert(serial);
    return append_line(directory_ / "revoked", serial + "\n");
}

bool Ledger::revoked(const Certificate& certificate) const {
    return revoked_.contains(to_hex(certificate.serial()));
}

}  // namespace hwenroll::lab_ca
