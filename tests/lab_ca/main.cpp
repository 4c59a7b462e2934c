// scep-lab-ca: a SCEP CA for labs, the demo and the tests.
#include <charconv>
#include <csignal>
#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <fstream>
#include <sys/signalfd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "tests/lab_ca/command_line.h"
#include "tests/lab_ca/lab_ca.h"
#include "tests/lab_ca/shared_clock.h"

namespace {

using namespace hwenroll;
using namespace hwenroll::lab_ca;

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

Status announce(const Arguments& arguments, std::uint16_t port) {
    const std::string& ready_file = arguments.ready_file;
    const auto& paths = arguments.deployment.manner.paths;
    const std::string address = fmt::format("{}:{}", arguments.listen.substr(0, arguments.listen.rfind(':')), port);
    const std::string url = fmt::format("http://{}{}", address, paths.empty() ? "/scep" : paths.front());
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
    const auto clock = arguments.clock_file.empty() ? Result<std::unique_ptr<Clock>>(system_clock())
                                                    : open_shared_clock(arguments.clock_file);
    if (!clock) {
        return fail(clock.error());
    }
    auto options = options_of(arguments);
    if (!options) {
        return fail(options.error());
    }
    auto ca = LabCa::open(*std::move(options), **clock);
    if (!ca) {
        return fail(ca.error());
    }
    auto server = listen_on(arguments.listen);
    if (!server) {
        return fail(server.error());
    }
    if (Status announced = announce(arguments, server->port()); !announced) {
        return announced;
    }
    return server->run(**ca, stop.get());
}

int run(int argc, char** argv) {
    Arguments arguments;
    CLI::App app("A SCEP (RFC 8894) CA for labs and tests. Not for production.", "scep-lab-ca");
    app.set_version_flag("--version", "scep-lab-ca " HWENROLL_VERSION);
    declare(app, arguments);
    try {
        app.parse(argc, argv);
        fill_in_emulation(app, arguments.deployment);
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
