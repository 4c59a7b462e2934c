#include "tests/lab_ca/caps_reply.h"

#include <cctype>

namespace hwenroll::lab_ca {
namespace {

bool lists_keywords(CapsForm form) {
    return form < CapsForm::html;
}

std::string in_mixed_case(std::string keyword) {
    for (std::size_t i = 0; i < keyword.size(); ++i) {
        const auto c = static_cast<unsigned char>(keyword[i]);
        keyword[i] = static_cast<char>(i % 2 == 0 ? std::tolower(c) : std::toupper(c));
    }
    return keyword;
}

std::string joined(const std::vector<std::string>& keywords, std::string_view between) {
    std::string out;
    for (const std::string& keyword : keywords) {
        out += out.empty() ? "" : between;
        out += keyword;
    }
    return out;
}

std::string body_of(const Capabilities& capabilities, CapsForm form) {
    std::vector<std::string> keywords = capabilities.keywords;
    switch (form) {
        case CapsForm::crlf:
            return joined(keywords, "\r\n");
        case CapsForm::cr:
            return joined(keywords, "\r");
        case CapsForm::blank_lines:
            return "\n\n" + joined(keywords, "\n\n") + "\n \n\n";
        case CapsForm::mixed_case:
            for (std::string& keyword : keywords) {
                keyword = in_mixed_case(keyword);
            }
            return joined(keywords, "\n") + "\n";
        case CapsForm::unknown_words:
            // SCEPStandardX and AES128 begin as keywords do (BAD-20).
            return "Update\nExample.com-Name\n" + joined(keywords, "\n") + "\nSCEPStandardX\nAES128\nSHA-384\n";
        default:
            return capabilities.text();
    }
}

}  // namespace

Capabilities announced(Capabilities capabilities, CapsForm form) {
    return lists_keywords(form) ? std::move(capabilities) : Capabilities{};
}

HttpReply caps_reply(const Capabilities& capabilities, const CapsPolicy& policy) {
    HttpReply reply;
    reply.content_type = policy.content_type;
    if (lists_keywords(policy.form)) {
        reply.body = to_bytes(as_bytes(body_of(capabilities, policy.form)));
    } else if (policy.form == CapsForm::html) {
        reply.content_type = "text/html";
        reply.body = to_bytes(as_bytes("<!DOCTYPE html>\n<html><body>Please accept our terms.</body></html>\n"));
    } else if (policy.form == CapsForm::not_found) {
        reply = text_reply(404, "not found");
    } else if (policy.form == CapsForm::close) {
        reply.delivery.end = Delivery::End::unanswered;
    }
    return reply;
}

}  // namespace hwenroll::lab_ca
