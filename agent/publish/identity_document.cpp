#include "agent/publish/identity_document.h"

#include <nlohmann/json.hpp>

#include "base/bytes.h"

namespace hwenroll::publish {
namespace {

nlohmann::ordered_json fingerprints_of(const std::vector<Certificate>& certificates) {
    auto list = nlohmann::ordered_json::array();
    for (const Certificate& certificate : certificates) {
        list.push_back(to_hex(certificate.fingerprint(), ':'));
    }
    return list;
}

}  // namespace

std::string identity_document(const Generation& generation) {
    const Certificate& certificate = generation.certificate;
    nlohmann::ordered_json document;
    document["schema"] = identity_document_schema;
    document["identity"] = generation.identity;
    document["generation"] = generation.number;
    document["subject"] = certificate.subject().text();
    document["issuer"] = certificate.issuer().text();
    document["serial"] = to_hex(certificate.serial());
    document["subject_alt_names"] = certificate.subject_alt_names();
    document["not_before"] = to_iso8601(certificate.not_before());
    document["not_after"] = to_iso8601(certificate.not_after());
    document["key"] = certificate.public_key().text();
    document["key_uri"] = generation.key_uri;
    document["fingerprint_sha256"] = to_hex(certificate.fingerprint(), ':');
    document["chain_sha256"] = fingerprints_of(generation.chain);
    document["anchors_sha256"] = fingerprints_of(generation.anchors);
    // Names come from a network; text that is no UTF-8 must not end the publication.
    return document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace hwenroll::publish
