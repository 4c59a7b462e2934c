#include "tests/lab_ca/capabilities.h"

#include <algorithm>
#include <utility>

namespace hwenroll::lab_ca {

Capabilities Capabilities::from_list(std::string_view list) {
    Capabilities out;
    std::string keyword;
    for (const char c : list) {
        if (c != ',' && c != ' ') {
            keyword += c;
        } else if (!keyword.empty()) {
            out.keywords.push_back(std::exchange(keyword, {}));
        }
    }
    if (!keyword.empty()) {
        out.keywords.push_back(keyword);
    }
    return out;
}

bool Capabilities::has(std::string_view keyword) const {
    const auto announced = [&](std::string_view k) {
        return std::find(keywords.begin(), keywords.end(), k) != keywords.end();
    };
    const bool standard = keyword == "AES" || keyword == "POSTPKIOperation" || keyword == "SHA-256";
    return announced(keyword) || (standard && announced("SCEPStandard"));
}

std::string Capabilities::text() const {
    std::string out;
    for (const std::string& keyword : keywords) {
        out += keyword + "\n";
    }
    return out;
}

}  // namespace hwenroll::lab_ca
