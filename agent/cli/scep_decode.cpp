#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include <nlohmann/json.hpp>

#include "agent/cli/commands.h"
#include "base/pem.h"
#include "transport/scep/message_dump.h"

namespace hwenroll::cli {
namespace {

Result<std::string> read_file(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    std::error_code failure;
    if (!in || std::filesystem::is_directory(path, failure)) {
        return fail(ErrorCode::input_file, "cannot read " + path.string(), std::strerror(errno == 0 ? EISDIR : errno));
    }
    return text;
}

Result<OpenSslPtr<EVP_PKEY>> read_key(const std::filesystem::path& path) {
    auto text = read_file(path);
    if (!text) {
        return fail(text.error());
    }
    return private_key_from_pem(*text);
}

void print(const scep::MessageDump& dump) {
    std::puts(dump.kind.c_str());
    for (const scep::DumpLine& line : dump.lines) {
        const std::string indent(static_cast<std::size_t>(2 * (line.level + 1)), ' ');
        std::puts((indent + line.name + (line.value.empty() ? "" : ": " + line.value)).c_str());
    }
    for (const std::string& note : dump.notes) {
        std::puts(("note: " + note).c_str());
    }
}

nlohmann::json to_json(const scep::MessageDump& dump) {
    nlohmann::json body{{"kind", dump.kind}, {"notes", dump.notes}, {"lines", nlohmann::json::array()}};
    for (const scep::DumpLine& line : dump.lines) {
        body["lines"].push_back({{"level", line.level}, {"name", line.name}, {"value", line.value}});
    }
    return body;
}

}  // namespace

int scep_decode(const CommandContext& context, const std::filesystem::path& file,
                const std::optional<std::filesystem::path>& key) {
    const auto body = read_file(file);
    if (!body) {
        return report(context, body.error());
    }
    OpenSslPtr<EVP_PKEY> recipient;
    if (key) {
        auto read = read_key(*key);
        if (!read) {
            return report(context, Error(read.error()).about(key->string()));
        }
        recipient = *std::move(read);
    }
    const auto dump = scep::dump(as_bytes(*body), recipient.get(), scep::ParseLimits{});
    if (!dump) {
        // The code's own next step is for an agent that had this from a CA.
        const Error& error = dump.error();
        return report(context, Error(error.code(), error.what(), error.why(),
                                     "save the whole body of the request or reply as it came, and decode that")
                                   .about(file.string()));
    }
    if (context.output.json) {
        print_json("scep decode", to_json(*dump));
    } else {
        print(*dump);
    }
    return 0;
}

}  // namespace hwenroll::cli
