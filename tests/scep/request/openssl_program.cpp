#include "tests/scep/request/openssl_program.h"

#include "tests/support/child_process.h"

namespace hwenroll::test {

std::string OpenSslProgram::file(const std::string& name, ByteView contents) {
    write_file(directory_ / name, as_text(contents), 0600);
    return path(name);
}

OpenSslProgram::Outcome OpenSslProgram::run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "openssl");
    RunResult result = test::run(std::move(arguments));
    return {result.exit_code, std::move(result.out), std::move(result.err)};
}

}  // namespace hwenroll::test
