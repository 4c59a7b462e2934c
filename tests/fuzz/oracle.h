// What no input may break, beyond what the sanitizers watch.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace hwenroll::fuzz {

/// Ends the process when `holds` is false, which libFuzzer reports as a finding. `rule` says what was broken.
inline void require(bool holds, const char* rule) {
    if (!holds) {
        std::fprintf(stderr, "hwenroll fuzz: broken rule: %s\n", rule);
        std::abort();
    }
}

}  // namespace hwenroll::fuzz
