#include "tests/e2e/secret_spellings.h"

#include <string_view>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/e2e/daemon_world.h"

namespace hwenroll::test {

std::string base64(const std::string& text) {
    static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t at = 0; at + 3 <= text.size(); at += 3) {
        const auto octet = [&](std::size_t i) {
            return static_cast<unsigned>(static_cast<unsigned char>(text[at + i]));
        };
        const unsigned bits = octet(0) << 16U | octet(1) << 8U | octet(2);
        for (const unsigned shift : {18U, 12U, 6U, 0U}) {
            out += digits[(bits >> shift) & 63U];
        }
    }
    return out;
}

std::vector<std::string> spellings(const std::string& secret) {
    std::string lower;
    std::string upper;
    std::string encoded;
    std::string partly;
    for (const char c : secret) {
        const auto octet = static_cast<unsigned>(static_cast<unsigned char>(c));
        lower += fmt::format("{:02x}", octet);
        upper += fmt::format("{:02X}", octet);
        encoded += fmt::format("%{:02X}", octet);
        partly += c == '-' ? "%2D" : std::string(1, c);
    }
    std::vector<std::string> all{secret, lower, upper, encoded, partly};
    for (std::size_t skipped = 0; skipped < 3; ++skipped) {
        all.push_back(base64(secret.substr(skipped)));
    }
    return all;
}

void expect_no_spelling(const std::string& where, const std::string& text) {
    for (const std::string& secret : {std::string(canary_pin), std::string(canary_challenge)}) {
        for (const std::string& spelling : spellings(secret)) {
            EXPECT_EQ(text.find(spelling), std::string::npos) << where << " has " << spelling;
        }
    }
}

}  // namespace hwenroll::test
