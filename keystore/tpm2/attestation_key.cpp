#include "keystore/tpm2/attestation_key.h"

#include <algorithm>
#include <string_view>

#include "keystore/tpm2/public_area.h"

namespace hwenroll::keystore::tpm2 {

TPM2B_PUBLIC attestation_key_template() {
    constexpr std::string_view mark = "hwenroll attestation key";
    constexpr UINT16 field = 32;
    static_assert(mark.size() <= field);
    TPM2B_PUBLIC object{};
    TPMT_PUBLIC& is = object.publicArea;
    is.type = TPM2_ALG_ECC;
    is.nameAlg = TPM2_ALG_SHA256;
    is.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                          TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED |
                          TPMA_OBJECT_SIGN_ENCRYPT;
    TPMS_ECC_PARMS& parameters = is.parameters.eccDetail;
    parameters.symmetric.algorithm = TPM2_ALG_NULL;
    parameters.scheme.scheme = TPM2_ALG_ECDSA;
    parameters.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
    parameters.curveID = TPM2_ECC_NIST_P256;
    parameters.kdf.scheme = TPM2_ALG_NULL;
    TPMS_ECC_POINT& unique = is.unique.ecc;
    unique.x.size = field;
    unique.y.size = field;
    std::copy(mark.begin(), mark.end(), unique.x.buffer);
    return object;
}

Outcome<AttestationKey> make_attestation_key(Connection& connection) {
    const TPM2B_PUBLIC area = attestation_key_template();
    const TPM2B_SENSITIVE_CREATE no_auth{};
    const TPM2B_DATA no_data{};
    const TPML_PCR_SELECTION no_pcr{};
    ESYS_TR object = ESYS_TR_NONE;
    EsysPtr<TPM2B_PUBLIC> made_area;
    if (const auto made = connection.call("Esys_CreatePrimary", Esys_CreatePrimary, ESYS_TR{ESYS_TR_RH_ENDORSEMENT},
                                          ESYS_TR{ESYS_TR_PASSWORD}, ESYS_TR_NONE, ESYS_TR_NONE, &no_auth, &area,
                                          &no_data, &no_pcr, &object, Out(made_area), nullptr, nullptr, nullptr);
        !made) {
        return tl::unexpected(made.error());
    }
    Loaded loaded(connection, object, Loaded::Kind::transient);
    auto key = public_key_in(*made_area);
    if (!key) {
        return call_failed("Esys_CreatePrimary", TSS2_ESYS_RC_MALFORMED_RESPONSE);
    }
    return AttestationKey{std::move(loaded), *made_area, *std::move(key)};
}

}  // namespace hwenroll::keystore::tpm2
