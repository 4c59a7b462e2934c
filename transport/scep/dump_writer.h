// Lines of a MessageDump, nested.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "transport/scep/message_dump.h"

namespace hwenroll::scep {

/// Writes lines at one level of a dump, which must outlive it. Values are made printable here.
class DumpWriter {
 public:
    explicit DumpWriter(MessageDump& dump, int level = 0) : dump_(&dump), level_(level) {}

    void line(std::string_view name, std::string_view value = {}) {
        constexpr std::size_t longest = 1024;
        dump_->lines.push_back({level_, std::string(name), printable(value, longest)});
    }

    /// A deviation from RFC 8894.
    void note(const std::string& text) { dump_->notes.push_back(printable(text)); }

    /// A writer one level deeper.
    [[nodiscard]] DumpWriter nested() const { return DumpWriter(*dump_, level_ + 1); }

 private:
    MessageDump* dump_;
    int level_;
};

/// Subject, issuer, validity, key, fingerprint and extensions.
void dump_certificate(const Certificate& certificate, DumpWriter out);

/// Issuer, times, number and how many it revokes; false, with nothing written, when `der` is no CRL.
bool dump_revocation_list(ByteView der, DumpWriter out);

/// Each CRL of the SignedData in `content_info`, which was read before.
void dump_revocation_lists(ByteView content_info, DumpWriter out);

/// Subject, key, signature and attributes; of the challengePassword only its type and length.
void dump_request(X509_REQ* request, DumpWriter out);

}  // namespace hwenroll::scep
