#include "tests/e2e/init_world.h"

#include <regex>
#include <sys/stat.h>

namespace hwenroll::test {

std::string fingerprint_in(const std::string& text) {
    std::smatch found;
    return std::regex_search(text, found, std::regex("SHA256:[0-9A-F:]{95}")) ? found[0].str() : std::string();
}

unsigned mode_of(const std::filesystem::path& path) {
    struct stat facts {};
    return ::stat(path.c_str(), &facts) == 0 ? facts.st_mode & 07777U : 0U;
}

std::vector<std::string> InitWorld::line(const std::vector<std::string>& arguments) const {
    std::vector<std::string> all{program("hwenroll"),
                                 "init",
                                 "--config",
                                 file().string(),
                                 "--state-dir",
                                 (world_.directory() / "state").string(),
                                 "--name",
                                 "web"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return all;
}

RunResult InitWorld::init(const std::vector<std::string>& arguments, const std::string& input) const {
    ChildOptions options;
    options.input = input;
    return run(line(arguments), options);
}

std::vector<std::string> InitWorld::all(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments{"--url",         world_.url(), "--module", SoftHsm::module(),
                                       "--fingerprint", pin(),        "--san",    "dns:web01.example.com"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
}

std::string InitWorld::pin() const {
    return fingerprint_in(run({program("hwenroll"), "ca", "show", world_.url()}).out);
}

std::string InitWorld::secrets() {
    return std::string(canary_pin) + "\n" + canary_challenge + "\n";
}

RunResult InitWorld::hwenroll(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), program("hwenroll"));
    arguments.insert(arguments.end(), {"--config", file().string()});
    return run(std::move(arguments));
}

RunResult InitWorld::once() const {
    return run({program("hwenrolld"), "--once", "--config", file().string()});
}

void InitWorld::expect_nothing_written() const {
    EXPECT_FALSE(std::filesystem::exists(file()));
    EXPECT_FALSE(std::filesystem::exists(world_.directory() / "new" / "lab.pin"));
}

}  // namespace hwenroll::test
