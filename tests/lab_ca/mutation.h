// How a mutator makes a CertRep anew after it has changed one of its parts. Where there is no CertRep to change, the
// reply stays as it is.
#pragma once

#include "tests/lab_ca/forged_reply.h"
#include "tests/lab_ca/mutator.h"

namespace hwenroll::lab_ca {

/// `edit` is given the honest reply as a ForgedSignedData.
template <class Edit>
void forge(const MutationScene& scene, HttpReply& reply, Edit edit) {
    if (scene.honest) {
        ForgedSignedData data = forged(*scene.honest, scene.current, scene.now);
        edit(data);
        reply.body = data.build();
    }
}

/// `edit` is given the envelope of a SUCCESS.
template <class Edit>
void forge_envelope(const MutationScene& scene, HttpReply& reply, Edit edit) {
    if (scene.honest && scene.honest->status == PkiStatus::success) {
        std::vector<Bytes> certificates;
        for (const Certificate& certificate : scene.honest->certificates) {
            certificates.push_back(certificate.der());
        }
        ForgedEnvelope envelope(*scene.honest->encryption_for, degenerate(certificates));
        edit(envelope);
        forge(scene, reply, [&](ForgedSignedData& data) { data.content = envelope.build(); });
    }
}

/// `edit` is given the certificates in the envelope of a SUCCESS, the issued one first.
template <class Edit>
void forge_certificates(const MutationScene& scene, HttpReply& reply, Edit edit) {
    forge_envelope(scene, reply, [&](ForgedEnvelope& envelope) {
        std::vector<Bytes> certificates;
        for (const Certificate& certificate : scene.honest->certificates) {
            certificates.push_back(certificate.der());
        }
        edit(certificates);
        envelope.plaintext = degenerate(certificates);
    });
}

}  // namespace hwenroll::lab_ca
