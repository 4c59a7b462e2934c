// GetCert and GetCRL (RFC 8894 §4.5, §4.6), and the lists over plain HTTP (SRV-11).
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/pem.h"
#include "tests/lab_ca/lab_ca.h"
#include "tests/lab_ca/lab_interface.h"

namespace hwenroll::lab_ca {
namespace {

/// The messageData of GetCert and GetCRL.
Outcome<IssuerAndSerial> read_query(ByteView content) {
    const auto root = read_asn1(content);
    auto name = root ? issuer_and_serial(*root) : std::nullopt;
    return name ? Outcome<IssuerAndSerial>(*std::move(name))
                : reject(FailInfo::bad_request, "the messageData is no IssuerAndSerialNumber");
}

std::optional<std::size_t> entries_of(const std::string& text) {
    constexpr std::size_t most = 1'000'000;
    std::size_t number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    return problem == std::errc() && end == text.data() + text.size() && number <= most ? std::optional(number)
                                                                                        : std::nullopt;
}

CertRep reply_to(const ScepRequest& request, PkiStatus status) {
    CertRep reply;
    reply.transaction_id = request.transaction_id;
    reply.recipient_nonce = request.sender_nonce;
    reply.status = status;
    reply.encryption_for = request.signer_certificate;
    return reply;
}

}  // namespace

/// The generation of that name which issued a certificate of that serial number, or that has the name at all.
std::optional<std::size_t> LabCa::generation_of(const IssuerAndSerial& name) const {
    std::optional<std::size_t> found;
    const auto certificates = generations_.certificates();
    for (std::size_t i = 0; i < certificates.size(); ++i) {
        const bool issued = std::ranges::any_of(ledger_.issued(), [&](const Issued& one) {
            return one.generation == i + 1 && name_of(one.certificate) == name;
        });
        if (certificates[i].subject().der() == name.issuer && (issued || !found)) {
            found = i + 1;
        }
    }
    return found;
}

Outcome<CertRep> LabCa::get_certificate(Exchange& exchange, const ScepRequest& request, ByteView content) {
    const auto name = read_query(content);
    if (!name) {
        return tl::unexpected<Rejection>(name.error());
    }
    if (!generation_of(*name)) {
        exchange.record.findings.push_back({"QRY-2", "the issuer is not the name of a CA here"});
    }
    const CertForm form = crls_.policy().cert_form;
    if (form == CertForm::pending) {
        return reply_to(request, PkiStatus::pending);
    }
    const auto& issued = ledger_.issued();
    const auto found =
        std::ranges::find_if(issued, [&](const Issued& one) { return name_of(one.certificate) == *name; });
    if (found == issued.end()) {
        return reject(FailInfo::bad_cert_id, "no such certificate was issued");
    }
    CertRep reply = reply_to(request, PkiStatus::success);
    reply.certificates = {form == CertForm::other_serial ? generations_.at(found->generation).certificate()
                                                         : found->certificate};
    return reply;
}

Outcome<CertRep> LabCa::get_crl(Exchange& exchange, const ScepRequest& request, ByteView content) {
    const auto name = read_query(content);
    if (!name) {
        return tl::unexpected<Rejection>(name.error());
    }
    const auto generation = generation_of(*name);
    if (!generation) {
        exchange.record.findings.push_back({"QRY-2", "the issuer is not the name of a CA here"});
    }
    if (!generation || crls_.policy().form == CrlForm::gone) {
        return reject(FailInfo::bad_cert_id, "there is no CRL of that issuer");
    }
    CertRep reply = reply_to(request, PkiStatus::success);
    if (crls_.policy().form == CrlForm::certificate_only) {
        reply.certificates = {generations_.at(*generation).certificate()};
        return reply;
    }
    auto crl = crls_.list(*generation, generations_.at(*generation), ledger_, exchange.now);
    if (!crl) {
        return reject(FailInfo::bad_request, "internal error: " + crl.error().line());
    }
    reply.crls = {*std::move(crl)};
    return reply;
}

HttpReply LabCa::crl_by_http(const CrlPath& path, const HttpRequest& request, TimePoint now) {
    const std::size_t generation = path.generation;
    const CrlForm form = crls_.policy().form;
    if (form == CrlForm::to_file) {
        HttpReply reply = text_reply(302, "elsewhere");
        reply.headers.push_back({"Location", "file:///etc/passwd"});
        return reply;
    }
    if (form == CrlForm::gone || generation > generations_.certificates().size()) {
        return text_reply(404, "there is no such CRL");
    }
    CrlPartition partition;
    if (path.certificate != 0) {
        partition = {path.certificate, fmt::format("http://{}{}{}", request.header("Host").value_or("localhost"),
                                                   request.path, form == CrlForm::other_partition ? ".other" : "")};
    }
    auto crl = crls_.list(generation, generations_.at(generation), ledger_, now, partition);
    if (!crl) {
        return text_reply(500, crl.error().line());
    }
    HttpReply reply;
    reply.content_type = "application/pkix-crl";
    reply.body = form == CrlForm::pem ? to_bytes(as_bytes(to_pem("X509 CRL", *crl))) : *std::move(crl);
    return reply;
}

/// `/lab/crl?form=…&cert=…&entries=N` and what `/lab/revoke` and `/lab/restore` say beside the serial number.
HttpReply LabCa::answer_about_crls(const HttpRequest& request) {
    const auto parameter = [&](std::string_view name) { return percent_decoded(request.parameter(name).value_or("")); };
    if (request.path == "/lab/crl") {
        const auto form = request.parameter("form") ? crl_form_of(parameter("form")) : crls_.policy().form;
        const auto cert = request.parameter("cert") ? cert_form_of(parameter("cert")) : crls_.policy().cert_form;
        const auto entries = request.parameter("entries") ? entries_of(parameter("entries")) : crls_.policy().entries;
        if (!form || !cert || !entries) {
            return text_reply(404, "there is no such form");
        }
        crls_.policy().entries = *entries;
        crls_.policy().form = *form;
        crls_.policy().cert_form = *cert;
        return text_reply(200, "done");
    }
    if (request.path == "/lab/restore") {
        crls_.restore(parameter("serial"));
        return text_reply(200, "done");
    }
    if (request.path == "/lab/revoke-ra") {
        const SigningIdentity* ra = parameter("role") == "recipient" ? hierarchy_.recipient() : hierarchy_.signer();
        if (ra == nullptr) {
            return text_reply(404, "this CA has no RA");
        }
        crls_.add(to_hex(ra->certificate.serial()));
        return text_reply(200, "done");
    }
    HttpReply reply = answer_lab_request(request, ledger_);
    if (reply.status == 200 && request.path == "/lab/revoke") {
        crls_.set_reason(parameter("serial"), parameter("reason"));
    }
    return reply;
}

}  // namespace hwenroll::lab_ca
