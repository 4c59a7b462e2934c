// Names that `hwenroll init` gives to sections.
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

namespace hwenroll::cli {

/// A name for a section: what a label has that a name may have, or `otherwise` where that makes none.
std::string section_name(std::string_view label, const std::string& otherwise);

/// `name`, or with a number, so that `sections` has none of it.
template <class Sections>
std::string unused_name(const std::string& name, const Sections& sections) {
    std::string unused = name;
    for (int number = 2; sections.contains(unused); ++number) {
        unused = fmt::format("{}-{}", name, number);
    }
    return unused;
}

}  // namespace hwenroll::cli
