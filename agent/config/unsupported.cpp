#include "agent/config/unsupported.h"

#include <string_view>

#include <fmt/format.h>

namespace hwenroll::config {
namespace {

void refuse(SectionReader& reader, std::string_view key, std::string_view cannot, std::string instead) {
    reader.report(key, ErrorCode::config_unsupported, fmt::format("asks for what this version cannot do: {}", cannot),
                  {}, std::move(instead));
}

}  // namespace

void refuse_unsupported(SectionReader& reader, const AuthoritySettings& authority) {
    if (authority.crl != CrlSource::off) {
        refuse(reader, "crl", "fetch CRLs", "use \"off\"");
    }
}

}  // namespace hwenroll::config
