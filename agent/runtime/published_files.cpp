#include "agent/runtime/published_files.h"

#include <algorithm>
#include <utility>

#include "agent/runtime/key_uri.h"

namespace hwenroll::runtime {
namespace {

Result<std::vector<Certificate>> certificates_of(const std::vector<Bytes>& ders) {
    std::vector<Certificate> certificates;
    certificates.reserve(ders.size());
    for (const Bytes& der : ders) {
        auto certificate = Certificate::from_der(der);
        if (!certificate) {
            return fail(certificate.error());
        }
        certificates.push_back(*std::move(certificate));
    }
    return certificates;
}

/// tpm2-openssl loads a file of a wrapped key by its path.
std::string uri_of(const KeyPlace& place, const lifecycle::KeyRecord& key) {
    if (!key.uri.empty()) {
        return key.uri;
    }
    return key.pem.empty() ? key_uri(place.token_uri, key.id) : "file://" + place.key_file.string();
}

}  // namespace

lifecycle::Started started_with(const lifecycle::IdentityState& state,
                                const std::optional<publish::PublishedState>& published, const KeyPlace& place) {
    lifecycle::Started event;
    const lifecycle::Credential* const wanted = state.next ? &*state.next : state.current ? &*state.current : nullptr;
    const bool another = state.next && state.current && state.next->issued.leaf != state.current->issued.leaf;
    if (!published) {
        event.shown = wanted == nullptr;
        event.current_seen = !another;
        return event;
    }
    event.current_generation = published->current.value_or(0);
    event.highest_generation =
        std::max(event.current_generation, published->generations.empty() ? 0 : published->generations.back());
    if (wanted != nullptr) {
        event.shown = published->defect.empty() && published->certificate == wanted->issued.leaf &&
                      published->key_uri == uri_of(place, wanted->key) &&
                      event.current_generation == wanted->generation;
    }
    event.next_seen = another && published->certificate == state.next->issued.leaf;
    event.current_seen =
        !another || (published->defect.empty() && published->certificate == state.current->issued.leaf);
    return event;
}

bool says_what_consumers_see(const lifecycle::Event& event) {
    if (const auto* const started = std::get_if<lifecycle::Started>(&event)) {
        return started->next_seen;
    }
    if (const auto* const published = std::get_if<lifecycle::GenerationPublished>(&event)) {
        return !published->beside;
    }
    if (const auto* const failed = std::get_if<lifecycle::PublicationFailed>(&event)) {
        return failed->seen;
    }
    return std::holds_alternative<lifecycle::PublishedFound>(event);
}

Result<publish::Generation> generation_of(const std::string& identity, const lifecycle::Credential& next,
                                          const KeyPlace& place) {
    auto leaf = Certificate::from_der(next.issued.leaf);
    auto chain = certificates_of(next.issued.chain);
    auto anchors = certificates_of(next.issued.anchors);
    if (!leaf || !chain || !anchors) {
        return fail(!leaf ? leaf.error() : !chain ? chain.error() : anchors.error());
    }
    return publish::Generation{identity,          next.generation,     *std::move(leaf),
                               *std::move(chain), *std::move(anchors), uri_of(place, next.key),
                               next.key.pem};
}

}  // namespace hwenroll::runtime
