// What is wrong with a configuration, and where.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace hwenroll::config {

/// The kinds of part that a configuration consists of. A finding disables the one that it is about.
enum class Part : std::uint8_t { agent, limits, token, authority, identity, file };

/// `agent`, `limits`, `token`, `ca`, `identity`, `file`: as in the section headers.
std::string_view to_text(Part part);

/// A place in a configuration file. Line and column count from 1, columns in characters; line 0: the file as a whole.
struct Location {
    std::string file;
    unsigned line = 0;
    unsigned column = 0;

    /// `hwenroll.toml:12:3`.
    [[nodiscard]] std::string text() const;

    friend bool operator==(const Location&, const Location&) = default;
};

/// One fault. `error` names the section as its subject and begins with the location.
struct Finding {
    Part part = Part::file;
    std::string name;  ///< of the token, CA or identity; empty for the other parts
    Location at;
    Error error;
};

using Findings = std::vector<Finding>;

/// A finding whose text is `FILE:LINE:COLUMN: what`.
Finding make_finding(Part part, std::string name, const Location& at, ErrorCode code, const std::string& what,
                     std::string why = {}, std::string next = {});

}  // namespace hwenroll::config
