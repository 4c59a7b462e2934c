// GetCACaps in the shapes that servers give it (SRV-5, CAPS-2 … CAPS-9, Q-NDES-1).
#pragma once

#include <string>

#include "tests/lab_ca/capabilities.h"
#include "tests/lab_ca/http_message.h"

namespace hwenroll::lab_ca {

enum class CapsForm {
    lf,             ///< a keyword a line, as micromdm sends them
    crlf,           ///< without a last line end, as step-ca sends them
    cr,             ///< a lone carriage return between keywords
    mixed_case,     ///< aEs in place of AES
    blank_lines,    ///< before, between and after the keywords
    unknown_words,  ///< words of no standard among the keywords
    html,           ///< a page, as a captive portal sends it
    empty,          ///< status 200 without a body
    not_found,      ///< status 404
    close,          ///< the connection is closed without an answer, as old versions of NDES do
};

struct CapsPolicy {
    CapsForm form = CapsForm::lf;
    std::string content_type = "text/plain";  ///< of the forms that list keywords
};

/// What a client can learn: nothing where the form lists no keywords.
Capabilities announced(Capabilities capabilities, CapsForm form);

/// The reply to GetCACaps.
HttpReply caps_reply(const Capabilities& capabilities, const CapsPolicy& policy);

}  // namespace hwenroll::lab_ca
