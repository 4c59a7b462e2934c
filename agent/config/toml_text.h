// The tree of toml_document.h as TOML again.
#pragma once

#include <string>

#include "agent/config/toml_document.h"

namespace hwenroll::config {

/// `document` holds sections: tables of keys, or tables of named tables of keys. Each key becomes one line with the
/// place of its value as a comment; a key of an inner table is written dotted; OtherValue, which no key takes, becomes
/// a comment that says that the key is not set. parse_toml() reads the text back to the same values.
std::string to_toml(const Table& document);

}  // namespace hwenroll::config
