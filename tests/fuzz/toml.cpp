// Configuration files; a NUL, which TOML does not know, divides an input into a main file and drop-ins.
#include "agent/config/configuration_reader.h"
#include "tests/fuzz/oracle.h"

using namespace hwenroll;

namespace {

std::vector<config::SourceText> sources_in(std::string_view text) {
    constexpr std::size_t most = 4;
    std::vector<config::SourceText> sources;
    while (sources.size() < most) {
        const std::size_t end = text.find('\0');
        sources.push_back({sources.empty() ? "hwenroll.toml" : "drop-in.toml", std::string(text.substr(0, end))});
        if (end == std::string_view::npos) {
            break;
        }
        text.remove_prefix(end + 1);
    }
    return sources;
}

void check_line(const Error& error) {
    const std::string line = error.line();
    fuzz::require(!line.empty() && line == printable(line, line.size() * 4 + 16),
                  "an error is one printable line (SEC-14)");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const config::HostFacts facts{"edge7", "edge7.example.com", "0123456789abcdef0123456789abcdef", std::nullopt};
    const auto configuration = config::read_configuration(sources_in(as_text(ByteView(data, size))), facts);
    if (!configuration) {
        check_line(configuration.error());
        return 0;
    }
    for (const config::Finding& finding : configuration->findings) {
        check_line(finding.error);
        fuzz::require(finding.part == config::Part::file || configuration->is_disabled(finding.part, finding.name),
                      "a finding disables its part (F1)");
    }
    return 0;
}
