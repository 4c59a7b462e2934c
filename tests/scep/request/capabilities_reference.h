// A second reader of GetCACaps for comparison, as short as the rules allow (CAPS-2…4, CAPS-9).
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hwenroll::test {

/// The known keywords that `body` announces, in the RFC's spelling: whole lines, blanks around them and case left out;
/// or a single line of nothing but known keywords between commas.
inline std::set<std::string> announced_keywords(std::string_view body) {
    static const std::map<std::string, std::string> known{
        {"aes", "AES"},         {"des3", "DES3"},       {"getnextcacert", "GetNextCACert"},
        {"sha-1", "SHA-1"},     {"sha-256", "SHA-256"}, {"postpkioperation", "POSTPKIOperation"},
        {"sha-512", "SHA-512"}, {"renewal", "Renewal"}, {"scepstandard", "SCEPStandard"}};
    std::vector<std::vector<std::string>> lines{{""}};  // of words in lower case
    if (body.substr(0, 3) == "\xEF\xBB\xBF") {
        body = body.substr(3);
    }
    for (const char c : body) {
        if (c == '\n' || c == '\r') {
            lines.push_back({""});
        } else if (c == ',') {
            lines.back().emplace_back();
        } else {
            lines.back().back() += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        }
    }
    std::size_t written = 0;  // lines with something in them
    for (auto& line : lines) {
        bool something = line.size() > 1;
        for (std::string& word : line) {
            while (!word.empty() && std::string_view(" \t\v\f").find(word.front()) != std::string_view::npos) {
                word.erase(0, 1);
            }
            while (!word.empty() && std::string_view(" \t\v\f").find(word.back()) != std::string_view::npos) {
                word.pop_back();
            }
            something = something || !word.empty();
        }
        written += something ? 1 : 0;
    }
    std::set<std::string> found;
    for (const auto& line : lines) {
        std::set<std::string> here;
        bool all = true;
        for (const std::string& word : line) {
            const auto at = known.find(word);
            if (at != known.end()) {
                here.insert(at->second);
            } else if (!word.empty()) {
                all = false;
            }
        }
        if (all && (line.size() == 1 || written == 1)) {
            found.insert(here.begin(), here.end());
        }
    }
    return found;
}

}  // namespace hwenroll::test
