#include "agent/cli/section_name.h"

#include <algorithm>

#include "agent/config/value_syntax.h"

namespace hwenroll::cli {

std::string section_name(std::string_view label, const std::string& otherwise) {
    std::string name;
    for (const char c : label) {
        const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        name += (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9') ? lower : '-';
    }
    name.erase(0, name.find_first_not_of('-'));
    name.erase(name.find_last_not_of('-') + 1);
    name.resize(std::min<std::size_t>(name.size(), 32));
    return config::is_part_name(name) ? name : otherwise;
}

}  // namespace hwenroll::cli
