// What the configuration can say and this version cannot carry out. Internal to this module.
#pragma once

#include "agent/config/configuration.h"
#include "agent/config/section_reader.h"

namespace hwenroll::config {

/// Adds a finding (config_unsupported) for every value that asks for what this version cannot do, so that the part
/// is disabled rather than run otherwise than asked. To be called with values that have been read; one that was refused
/// has left its default, which is always supported.
void refuse_unsupported(SectionReader& reader, const AuthoritySettings& authority);

}  // namespace hwenroll::config
