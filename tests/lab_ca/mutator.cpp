#include "tests/lab_ca/mutator.h"

#include <algorithm>

#include "tests/lab_ca/mutator_tables.h"

namespace hwenroll::lab_ca {

std::vector<const Mutator*> mutators() {
    std::vector<const Mutator*> all;
    for (const Mutators part :
         {http_mutators(), capability_mutators(), ca_set_mutators(), signed_data_mutators(), attribute_mutators(),
          envelope_mutators(), certificate_mutators(), next_ca_mutators()}) {
        for (const Mutator& one : part) {
            all.push_back(&one);
        }
    }
    return all;
}

const Mutator* find_mutator(std::string_view id) {
    const std::vector<const Mutator*> all = mutators();
    const auto found = std::find_if(all.begin(), all.end(), [&](const Mutator* one) { return one->id == id; });
    return found == all.end() ? nullptr : *found;
}

}  // namespace hwenroll::lab_ca
