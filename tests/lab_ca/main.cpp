// scep-lab-ca: a SCEP CA for labs, the demo and the tests.
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/signalfd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "tests/lab_ca/lab_ca.h"

namespace {

using namespace hwenroll;
using namespace hwenroll::lab_ca;

class SystemClock final : public Clock {
 public:
    [[nodiscard]] TimePoint now() const override {
        return std::chrono::time_point_cast<Seconds>(std::chrono::system_clock::now());
    }
};

struct Arguments {
    std::string directory;
    std::string listen = "127.0.0.1:0";
    std::string challenge;
    std::string challenge_file;
    std::string ready_file;
    std::string capabilities;
    bool no_post = false;
    bool allow_weak_requests = false;
    bool leaf_only = false;
    long lifetime = 0;
    unsigned int pending = 0;
    int min_rsa_bits = 2048;
    std::string signers = "any";
    std::string refuse;
    std::string issue_usage = "copy";
};

void declare(CLI::App& app, Arguments& arguments) {
    app.add_option("--dir", arguments.directory, "where the CA keeps its key, certificates and lint.jsonl")->required();
    app.add_option("--listen", arguments.listen, "numeric address and port; port 0 takes any free one");
    auto* challenge = app.add_option("--challenge", arguments.challenge, "the challenge password of every client");
    app.add_option("--challenge-file", arguments.challenge_file, "a file whose first line is the challenge password")
        ->excludes(challenge);
    app.add_option("--ready-file", arguments.ready_file, "a file to write the URL to once requests are served");
    app.add_option("--caps", arguments.capabilities, "GetCACaps keywords, separated by commas");
    app.add_flag("--no-post", arguments.no_post, "do not announce and do not accept POST");
    app.add_flag("--allow-weak-requests", arguments.allow_weak_requests, "accept SHA-1, single DES and 3DES requests");
    app.add_option("--lifetime", arguments.lifetime, "seconds that certificates live (default 90 days)")
        ->check(CLI::PositiveNumber);
    app.add_flag("--leaf-only", arguments.leaf_only, "answer with the issued certificate alone, without the CA's");
    app.add_option("--issue-usage", arguments.issue_usage,
                   "copy, ignore or refuse requested usages and names; refuse lets keyUsage alone")
        ->check(CLI::IsMember({"copy", "ignore", "refuse"}));
    app.add_option("--pending", arguments.pending, "how often each request is answered PENDING before the decision")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--min-rsa-bits", arguments.min_rsa_bits, "refuse smaller RSA keys (default 2048)")
        ->check(CLI::PositiveNumber);
    app.add_option("--signers", arguments.signers,
                   "whose certificates may sign a request: any also lets self-signed ones, issued only this CA's")
        ->check(CLI::IsMember({"any", "issued"}));
    app.add_option("--refuse", arguments.refuse,
                   "decide every request with this failInfo, as in badRequest:TEXT; without TEXT no failInfoText");
}

/// `badRequest:TEXT`. Error code: usage.
Result<Rejection> refusal_of(const std::string& text) {
    constexpr std::array<std::string_view, 5> names{"badAlg", "badMessageCheck", "badRequest", "badTime", "badCertId"};
    const std::size_t colon = text.find(':');
    const auto* const found = std::find(names.begin(), names.end(), std::string_view(text).substr(0, colon));
    if (found == names.end()) {
        return fail(ErrorCode::usage, fmt::format("--refuse {} names no failInfo", text), {},
                    "begin with badAlg, badMessageCheck, badRequest, badTime or badCertId");
    }
    return Rejection{static_cast<FailInfo>(found - names.begin()),
                     colon == std::string::npos ? std::string() : text.substr(colon + 1)};
}

/// The first line of a file. Error code: input_file.
Result<Secret> read_challenge(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    if (in.bad() || !in.is_open()) {
        return fail(ErrorCode::input_file, fmt::format("cannot read the challenge file '{}'", path));
    }
    Secret secret(as_bytes(std::string_view(text).substr(0, text.find_first_of("\r\n"))));
    wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    return secret;
}

Result<LabCaOptions> options_of(const Arguments& arguments) {
    LabCaOptions options;
    options.directory = arguments.directory;
    if (!arguments.challenge_file.empty()) {
        auto challenge = read_challenge(arguments.challenge_file);
        if (!challenge) {
            return fail(challenge.error());
        }
        options.challenge = *std::move(challenge);
    } else {
        options.challenge = Secret(as_bytes(arguments.challenge));
    }
    if (!arguments.capabilities.empty()) {
        options.capabilities = Capabilities::from_list(arguments.capabilities);
    }
    if (arguments.no_post) {
        std::erase_if(options.capabilities.keywords,
                      [](const std::string& k) { return k == "POSTPKIOperation" || k == "SCEPStandard"; });
    }
    options.allow_weak_requests = arguments.allow_weak_requests;
    options.issuer_in_reply = !arguments.leaf_only;
    if (arguments.lifetime > 0) {
        options.issue.lifetime = Seconds(arguments.lifetime);
    }
    options.issue.usage = arguments.issue_usage == "copy"     ? IssueUsage::copy
                          : arguments.issue_usage == "ignore" ? IssueUsage::ignore
                                                              : IssueUsage::refuse;
    options.pending = arguments.pending;
    options.admission.min_rsa_bits = arguments.min_rsa_bits;
    options.admission.self_signed_signers = arguments.signers == "any";
    if (!arguments.refuse.empty()) {
        auto refusal = refusal_of(arguments.refuse);
        if (!refusal) {
            return fail(refusal.error());
        }
        options.refusal = *std::move(refusal);
    }
    return options;
}

Result<HttpServer> listen_on(const std::string& listen) {
    const std::size_t colon = listen.rfind(':');
    std::string host = listen.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    }
    const std::string_view digits = colon == std::string::npos ? "" : std::string_view(listen).substr(colon + 1);
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc{} || end != digits.data() + digits.size()) {
        return fail(ErrorCode::usage, fmt::format("--listen {} is no address and port", listen), {},
                    "write it as in 127.0.0.1:8080");
    }
    return HttpServer::listen(host, port);
}

Status announce(const std::string& listen, std::uint16_t port, const std::string& ready_file) {
    const std::string address = fmt::format("{}:{}", listen.substr(0, listen.rfind(':')), port);
    const std::string url = fmt::format("http://{}/scep", address);
    fmt::print("listening on {} {}\n", address, url);
    std::fflush(stdout);
    if (ready_file.empty()) {
        return {};
    }
    const std::string unfinished = ready_file + ".new";
    std::ofstream out(unfinished, std::ios::trunc);
    out << url << "\n";
    out.close();
    if (!out || std::rename(unfinished.c_str(), ready_file.c_str()) != 0) {
        return fail(ErrorCode::input_file, fmt::format("cannot write '{}'", ready_file));
    }
    return {};
}

Status serve(const Arguments& arguments) {
    // Blocked before anything else so that a stop that comes early is not lost.
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigprocmask(SIG_BLOCK, &stops, nullptr);
    const FileDescriptor stop(signalfd(-1, &stops, SFD_CLOEXEC));
    const SystemClock clock;
    auto options = options_of(arguments);
    if (!options) {
        return fail(options.error());
    }
    auto ca = LabCa::open(*std::move(options), clock);
    if (!ca) {
        return fail(ca.error());
    }
    auto server = listen_on(arguments.listen);
    if (!server) {
        return fail(server.error());
    }
    if (Status announced = announce(arguments.listen, server->port(), arguments.ready_file); !announced) {
        return announced;
    }
    return server->run(**ca, stop.get());
}

int run(int argc, char** argv) {
    Arguments arguments;
    CLI::App app("A SCEP (RFC 8894) CA for labs and tests. Not for production.", "scep-lab-ca");
    declare(app, arguments);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const int code = app.exit(error);
        return code == 0 ? 0 : error_info(ErrorCode::usage).exit_code;
    }
    const Status served = serve(arguments);
    if (!served) {
        fmt::print(stderr, "{}\n", served.error().line());
        return served.error().info().exit_code;
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& exception) {
        std::fputs((Error(ErrorCode::internal, "an unexpected failure", exception.what()).line() + "\n").c_str(),
                   stderr);
        return error_info(ErrorCode::internal).exit_code;
    }
}
