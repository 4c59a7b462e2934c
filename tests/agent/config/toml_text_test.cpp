// TOML that is none, as people write it and as the library behind parse_toml did not expect it.
#include <string>

#include <gtest/gtest.h>

#include "agent/config/toml_document.h"

namespace hwenroll::config {
namespace {

std::string utf8(char32_t point) {
    const auto tail = [point](unsigned shift) { return static_cast<char>(0x80U | ((point >> shift) & 0x3FU)); };
    if (point < 0x800) {
        return {static_cast<char>(0xC0U | (point >> 6U)), tail(0)};
    }
    if (point < 0x10000) {
        return {static_cast<char>(0xE0U | (point >> 12U)), tail(6), tail(0)};
    }
    return {static_cast<char>(0xF0U | (point >> 18U)), tail(12), tail(6), tail(0)};
}

// F1: found by the fuzz target toml; UndefinedBehaviorSanitizer sees it, a build without may do anything.
TEST(TomlText, F1_survives_letters_beyond_ascii_outside_of_strings) {
    for (char32_t point = 0xA1; point < 0x11000; point += point < 0x3100 ? 1 : 61) {
        const bool surrogate = point >= 0xD800 && point < 0xE000;
        if (surrogate) {
            continue;
        }
        for (const char* text : {"[ca]\nkey@ = 1\n", "[ca@]\n", "key = 1@\n", "key = [1@]\n", "@key = 1\n"}) {
            std::string with_letter = text;
            with_letter.replace(with_letter.find('@'), 1, utf8(point));
            const auto table = parse_toml(with_letter, "f");
            if (!table) {
                EXPECT_EQ(table.error().at.file, "f") << std::hex << static_cast<unsigned>(point);
            }
        }
    }
    EXPECT_FALSE(parse_toml("schl\xC3\xBCssel = 1\n", "f"));
    EXPECT_TRUE(parse_toml("\"schl\xC3\xBCssel\" = \"\xC3\xBC\"\n", "f"));
}

}  // namespace
}  // namespace hwenroll::config
