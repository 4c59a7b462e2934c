// What comes in on the control socket, and what a client reads there: frames, Varlink messages and the values in them.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "agent/control/frame.h"
#include "agent/control/message.h"
#include "agent/control/view_codec.h"
#include "base/bytes.h"
#include "tests/fuzz/oracle.h"

using namespace hwenroll;
using namespace hwenroll::control;

namespace {

constexpr std::size_t limit = 4096;

/// The frames of `stream`, which comes in pieces of `size` octets; stops where the reader refuses.
std::vector<std::string> frames(std::string_view stream, std::size_t size) {
    FrameReader reader(limit);
    std::vector<std::string> all;
    while (!stream.empty()) {
        reader.append(stream.substr(0, size));
        stream.remove_prefix(std::min(size, stream.size()));
        for (;;) {
            const auto frame = reader.next();
            if (!frame) {
                fuzz::require(frame.error().code() == ErrorCode::control_protocol, "a bad frame is E-CONTROL-PROTOCOL");
                fuzz::require(!reader.next(), "a stream that was refused stays refused");
                return all;
            }
            if (!*frame) {
                break;
            }
            fuzz::require((*frame)->size() <= limit, "no frame is larger than the limit");
            fuzz::require((*frame)->find('\0') == std::string::npos, "a frame has no NUL");
            all.push_back(**frame);
        }
    }
    return all;
}

/// A value that was read is written and read again unchanged.
template <class Read>
void there_and_back(const nlohmann::json& value, Read read) {
    if (const auto first = read(value)) {
        const auto second = read(to_json(*first));
        fuzz::require(second && *second == *first, "a value travels unchanged");
    } else {
        const std::string line = first.error().line();
        fuzz::require(first.error().code() == ErrorCode::control_protocol && line == printable(line, line.size() + 1),
                      "a bad value is one printable line");
    }
}

void read_values(const nlohmann::json& value) {
    there_and_back(value, identity_view_of);
    there_and_back(value, [](const nlohmann::json& json) { return overview_of(json); });
    there_and_back(value, identity_event_of);
    there_and_back(value, acceptance_of);
    there_and_back(value, resumption_of);
    there_and_back(value, history_event_of);
}

void read_call(const std::string& frame) {
    const auto call = parse_call(frame);
    if (!call) {
        fuzz::require(call.error().code() == ErrorCode::control_protocol, "a bad call is E-CONTROL-PROTOCOL");
        return;
    }
    const std::string written = encode(*call);
    fuzz::require(written.ends_with('\0') && written.find('\0') == written.size() - 1, "one NUL ends a message");
    const auto again = parse_call(written.substr(0, written.size() - 1));
    fuzz::require(again && again->method == call->method && again->more == call->more &&
                      again->oneway == call->oneway && again->parameters == call->parameters,
                  "a call travels unchanged");
    read_values(call->parameters);
}

void read_reply(const std::string& frame) {
    const auto reply = parse_reply(frame);
    if (!reply) {
        return;
    }
    read_values(reply->parameters);
    if (!reply->error.empty()) {
        const std::string line = error_of(*reply).line();
        fuzz::require(line == printable(line, line.size() + 1), "a server's error is one printable line (SEC-14)");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view stream = as_text(ByteView(data, size));
    const std::vector<std::string> whole = frames(stream, limit);
    fuzz::require(frames(stream, 7) == whole, "it does not matter how a stream is cut");
    for (const std::string& frame : whole) {
        read_call(frame);
        read_reply(frame);
    }
    return 0;
}
