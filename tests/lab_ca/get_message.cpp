#include "tests/lab_ca/get_message.h"

#include <algorithm>

#include "tests/lab_ca/http_message.h"

namespace hwenroll::lab_ca {
namespace {

void note(std::vector<std::string>& notes, std::string text) {
    if (std::find(notes.begin(), notes.end(), text) == notes.end()) {
        notes.push_back(std::move(text));
    }
}

void note_url_form(std::string_view parameter, std::vector<std::string>& notes) {
    for (std::size_t i = 0; i < parameter.size(); ++i) {
        const char c = parameter[i];
        if (c == '+' || c == '/' || c == '=') {
            note(notes, std::string("'") + c + "' is not percent-encoded");
        } else if (c == '%') {
            const std::string_view digits = parameter.substr(i + 1, 2);
            if (std::any_of(digits.begin(), digits.end(), [](char d) { return d >= 'a' && d <= 'f'; })) {
                note(notes, "lower-case hexadecimal in percent-encoding");
            }
            i += 2;
        }
    }
}

/// Standard base64 without blanks and with padding, from what was meant so.
std::string repaired_base64(const std::string& text, std::vector<std::string>& notes) {
    std::string out;
    for (const char c : text) {
        if (c == '\r' || c == '\n') {
            note(notes, "line breaks in the base64");
        } else if (c == ' ') {
            note(notes, "a blank in place of '+'");
            out += '+';
        } else if (c == '-' || c == '_') {
            note(notes, "base64url in place of base64");
            out += c == '-' ? '+' : '/';
        } else {
            out += c;
        }
    }
    if (out.size() % 4 != 0) {
        note(notes, "base64 padding is missing");
        out.append(4 - out.size() % 4, '=');
    }
    return out;
}

}  // namespace

GetMessage decode_get_message(std::string_view parameter) {
    GetMessage out;
    note_url_form(parameter, out.deviations);
    const std::string base64 = repaired_base64(percent_decoded(parameter), out.deviations);
    if (auto octets = from_base64(base64); octets && !octets->empty()) {
        out.octets = *std::move(octets);
    }
    return out;
}

}  // namespace hwenroll::lab_ca
