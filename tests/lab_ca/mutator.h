// Replies spoilt on purpose, by the ids of the catalogue of malformed and hostile replies (SRV-13).
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "tests/lab_ca/authority.h"
#include "tests/lab_ca/http_message.h"
#include "tests/lab_ca/scep_reply.h"

namespace hwenroll::lab_ca {

/// What a mutator may know: one exchange that was answered honestly. Borrowed.
struct MutationScene {
    const HttpRequest& request;
    TimePoint now;
    const Authority& current;
    const Authority* next;                 ///< the one that will follow it; nullptr: none yet
    const std::optional<CertRep>& honest;  ///< what the message was answered with; absent: it was no message
};

/// One way to spoil a reply.
struct Mutator {
    std::string_view id;    ///< `BAD-45`; variants have a letter behind it, and what prepares one `-set`
    std::string_view does;  ///< for documents
    void (*apply)(const MutationScene& scene, HttpReply& reply);
};

/// nullptr when there is none. Any thread.
const Mutator* find_mutator(std::string_view id);

/// All of them, in the order of the catalogue's parts.
std::vector<const Mutator*> mutators();

}  // namespace hwenroll::lab_ca
