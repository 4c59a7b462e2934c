#include "keystore/tpm2/ek_certificate.h"

#include <algorithm>
#include <optional>

#include "base/openssl_ptr.h"
#include "keystore/tpm2/properties.h"

namespace hwenroll::keystore::tpm2 {

namespace {

/// An NV index in use.
struct Index {
    Loaded object;
    TPMA_NV attributes;
    UINT16 size;
};

/// Nothing if the index is not defined.
Outcome<std::optional<Index>> open_index(Connection& connection, TPM2_HANDLE number) {
    // Asked first: ESYS logs a failed Esys_TR_FromTPMPublic as an error.
    const auto defined = handles_from(connection, number);
    if (!defined) {
        return tl::unexpected(defined.error());
    }
    if (std::find(defined->begin(), defined->end(), number) == defined->end()) {
        return std::nullopt;
    }
    ESYS_TR handle = ESYS_TR_NONE;
    if (const auto known = connection.call("Esys_TR_FromTPMPublic", Esys_TR_FromTPMPublic, number, ESYS_TR_NONE,
                                           ESYS_TR_NONE, ESYS_TR_NONE, &handle);
        !known) {
        return tl::unexpected(known.error());
    }
    Loaded object(connection, handle, Loaded::Kind::persistent);
    EsysPtr<TPM2B_NV_PUBLIC> area;
    if (const auto read = connection.call("Esys_NV_ReadPublic", Esys_NV_ReadPublic, handle, ESYS_TR_NONE, ESYS_TR_NONE,
                                          ESYS_TR_NONE, Out(area), nullptr);
        !read) {
        return tl::unexpected(read.error());
    }
    return Index{std::move(object), area->nvPublic.attributes, area->nvPublic.dataSize};
}

/// Octets that one TPM2_NV_Read may ask for.
Outcome<UINT16> longest_read(Connection& connection) {
    const auto properties = read_properties(connection, TPM2_PT_NV_BUFFER_MAX, 1);
    if (!properties) {
        return tl::unexpected(properties.error());
    }
    constexpr std::uint32_t when_not_told = 256;
    const std::uint32_t told = value_of(*properties, TPM2_PT_NV_BUFFER_MAX);
    return static_cast<UINT16>(std::min<std::uint32_t>(told == 0 ? when_not_told : told, TPM2_MAX_NV_BUFFER_SIZE));
}

/// The whole index by the empty authorization value of `authority`.
Outcome<Bytes> read_as(Connection& connection, const Index& index, ESYS_TR authority) {
    const auto longest = longest_read(connection);
    if (!longest) {
        return tl::unexpected(longest.error());
    }
    Bytes octets;
    while (octets.size() < index.size) {
        const auto offset = static_cast<UINT16>(octets.size());
        const auto wanted = std::min(*longest, static_cast<UINT16>(index.size - offset));
        EsysPtr<TPM2B_MAX_NV_BUFFER> part;
        if (const auto read =
                connection.call("Esys_NV_Read", Esys_NV_Read, authority, index.object.handle(),
                                ESYS_TR{ESYS_TR_PASSWORD}, ESYS_TR_NONE, ESYS_TR_NONE, wanted, offset, Out(part));
            !read) {
            return tl::unexpected(read.error());
        }
        if (part->size == 0) {
            return call_failed("Esys_NV_Read", TSS2_ESYS_RC_MALFORMED_RESPONSE);
        }
        octets.insert(octets.end(), part->buffer, part->buffer + part->size);
    }
    return octets;
}

/// Whoever may read the index without a value that could be counted; nothing if nobody may.
Outcome<std::optional<Bytes>> read_index(Connection& connection, const Index& index) {
    const auto is = [&](TPMA_NV attributes) { return (index.attributes & attributes) == attributes; };
    if (!is(TPMA_NV_WRITTEN) || is(TPMA_NV_READLOCKED)) {
        return std::nullopt;
    }
    std::vector<ESYS_TR> authorities;
    if (is(TPMA_NV_OWNERREAD)) {
        authorities.push_back(ESYS_TR_RH_OWNER);
    }
    if (is(TPMA_NV_AUTHREAD | TPMA_NV_NO_DA)) {
        authorities.push_back(index.object.handle());
    }
    for (const ESYS_TR authority : authorities) {
        auto octets = read_as(connection, index, authority);
        if (octets) {
            return std::optional(*std::move(octets));
        }
        if (!is_refusal(octets.error().rc)) {
            return tl::unexpected(octets.error());
        }
    }
    return std::nullopt;
}

/// Octets of the certificate at the start, 0 without one. Manufacturers fill the rest of the index with what they like.
std::size_t certificate_size(ByteView octets) {
    const unsigned char* end = octets.data();
    const OpenSslPtr<X509> certificate(d2i_X509(nullptr, &end, static_cast<long>(octets.size())));
    if (!certificate) {
        take_openssl_errors();
        return 0;
    }
    return static_cast<std::size_t>(end - octets.data());
}

}  // namespace

Outcome<Bytes> read_ek_certificate(Connection& connection) {
    for (const TPM2_HANDLE number : {ec_ek_certificate, rsa_ek_certificate}) {
        const auto index = open_index(connection, number);
        if (!index) {
            return tl::unexpected(index.error());
        }
        if (!*index) {
            continue;
        }
        auto octets = read_index(connection, **index);
        if (!octets) {
            return tl::unexpected(octets.error());
        }
        if (!*octets) {
            continue;
        }
        Bytes& certificate = **octets;
        certificate.resize(certificate_size(certificate));
        if (!certificate.empty()) {
            return std::move(certificate);
        }
    }
    return Bytes();
}

}  // namespace hwenroll::keystore::tpm2
