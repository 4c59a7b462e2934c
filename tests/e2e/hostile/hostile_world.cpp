#include "tests/e2e/hostile/hostile_world.h"

#include <array>
#include <stdexcept>
#include <sys/resource.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "agent/store/store.h"
#include "base/pem.h"
#include "tests/e2e/enrollment_world.h"
#include "tests/lab_ca/cms_syntax.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

using std::chrono::days;
using std::chrono::hours;

constexpr TimePoint beginning{std::chrono::sys_days(std::chrono::year(2030) / 1 / 1)};
constexpr days capped_from{300};

std::string name_of(Stage stage) {
    constexpr std::array names{"beginning", "keyed", "pending", "enrolled", "capped"};
    return names.at(static_cast<std::size_t>(stage));
}

void replace_by_copy(const std::filesystem::path& from, const std::filesystem::path& to) {
    std::filesystem::remove_all(to);
    std::filesystem::copy(from, to,
                          std::filesystem::copy_options::recursive | std::filesystem::copy_options::copy_symlinks);
}

std::vector<std::filesystem::directory_entry> entries_below(const std::filesystem::path& directory) {
    std::vector<std::filesystem::directory_entry> out;
    if (std::filesystem::exists(directory)) {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
            out.push_back(entry);
        }
    }
    return out;
}

void require_success(const RunResult& result, const std::string& stage) {
    if (result.exit_code != 0) {
        throw std::runtime_error("cannot live up to " + stage + ": " + result.err);
    }
}

}  // namespace

/// Hands requests on to the CA of the moment.
class HostileWorld::Relay final : public lab_ca::HttpService {
 public:
    void set(std::unique_ptr<lab_ca::LabCa> ca) {
        const std::lock_guard lock(mutex_);
        ca_ = std::move(ca);
        posts_.clear();
    }

    std::vector<std::chrono::steady_clock::time_point> posts() {
        const std::lock_guard lock(mutex_);
        return posts_;
    }

    lab_ca::HttpReply answer(const lab_ca::HttpRequest& request) override {
        const std::lock_guard lock(mutex_);
        if (request.method == "POST") {
            posts_.push_back(std::chrono::steady_clock::now());
        }
        return ca_ ? ca_->answer(request) : lab_ca::text_reply(503, "no CA");
    }

    void refused(const lab_ca::HttpRequest& understood, int status) override {
        const std::lock_guard lock(mutex_);
        if (ca_) {
            ca_->refused(understood, status);
        }
    }

    [[nodiscard]] const lab_ca::LabCa& ca() const { return *ca_; }

 private:
    std::mutex mutex_;
    std::unique_ptr<lab_ca::LabCa> ca_;
    std::vector<std::chrono::steady_clock::time_point> posts_;
};

/// One time for the CA in this process and for the programs.
class HostileWorld::SharedClock final : public Clock {
 public:
    explicit SharedClock(std::filesystem::path path) : file_(std::move(path), beginning), now_(beginning) {}

    [[nodiscard]] TimePoint now() const override { return now_; }

    void set(TimePoint now) {
        now_ = now;
        file_.set(now);
    }

 private:
    ClockFile file_;
    std::atomic<TimePoint> now_;
};

HostileWorld& HostileWorld::instance() {
    static HostileWorld world;
    return world;
}

HostileWorld::HostileWorld()
    : clock_(std::make_unique<SharedClock>(directory_ / "clock")), relay_(std::make_unique<Relay>()) {
    server_ = std::make_unique<lab_ca::test::ServerThread>(*relay_);
    hsm_.init_token("lab", "87654321", canary_pin);
    std::filesystem::create_directories(directory());
    write_file(directory() / "lab.pin", canary_pin, 0600);
    write_file(directory() / "corp.challenge", canary_challenge, 0600);
    set({});
    keep(Stage::beginning);
}

HostileWorld::~HostileWorld() = default;

void HostileWorld::keep(Stage stage) const {
    const std::filesystem::path kept = directory_ / name_of(stage);
    std::filesystem::create_directories(kept);
    replace_by_copy(directory(), kept / "world");
    replace_by_copy(hsm_.token_directory(), kept / "tokens");
}

void HostileWorld::restore(const std::string& name) {
    relay_->set(nullptr);
    replace_by_copy(directory_ / name / "world", directory());
    replace_by_copy(directory_ / name / "tokens", hsm_.token_directory());
}

void HostileWorld::go_to(Stage stage) {
    stage_ = stage;
    if (!std::filesystem::exists(directory_ / name_of(stage))) {
        live(stage);
        keep(stage);
    }
    restore(name_of(stage));
    clock_->set(stage == Stage::capped ? beginning + capped_from : beginning);
    set({});
}

void HostileWorld::live(Stage stage) {
    restore(name_of(Stage::beginning));
    clock_->set(stage == Stage::capped ? beginning + capped_from : beginning);
    set({.faults = stage == Stage::keyed ? std::vector<std::string>{"PKCSReq:*:drop"} : std::vector<std::string>{}});
    const RunResult result = once();
    if (stage == Stage::enrolled || stage == Stage::capped) {
        require_success(result, name_of(stage));
    } else if (result.exit_code != 75 && result.exit_code != 69) {
        throw std::runtime_error("cannot live up to " + name_of(stage) + ": " + result.err);
    }
}

void HostileWorld::set(const HostileSettings& settings) {
    lab_ca::LabCaOptions options;
    options.directory = directory() / "ca";
    options.challenge = Secret(as_bytes(canary_challenge));
    options.capabilities = lab_ca::Capabilities::from_list(settings.capabilities);
    options.issue.lifetime = days(120);
    options.rollover.lifetime = days(365);
    options.rollover.auto_rollover = days(30);
    options.decision.delay = stage_ == Stage::pending ? Seconds(hours(1)) : Seconds(0);
    for (const std::string& fault : settings.faults) {
        options.faults.push_back(lab_ca::FaultRule::from_text(fault).value());
    }
    relay_->set(lab_ca::LabCa::open(std::move(options), *clock_).value());
    configure(settings);
}

void HostileWorld::configure(const HostileSettings& settings) const {
    const std::string base = directory().string();
    const std::string pin = settings.pinned.empty() ? to_hex(ca().fingerprint(), ':') : fingerprint_of(settings.pinned);
    write_file(config(),
               fmt::format("[agent]\nstate_dir = \"{0}/state\"\nruntime_dir = \"{0}/run\"\n"
                           "publish_dir = \"{0}/live\"\n{4}\n"
                           "[token.lab]\ntype = \"pkcs11\"\nmodule = \"{1}\"\nuri = \"pkcs11:token=lab\"\n"
                           "pin = \"file:{0}/lab.pin\"\n"
                           "[ca.corp]\nurl = \"{2}\"\nfingerprint = \"SHA256:{3}\"\n"
                           "challenge = \"file:{0}/corp.challenge\"\n{5}\n"
                           "[identity.web]\nca = \"corp\"\ntoken = \"lab\"\nkey = \"rsa:2048\"\n"
                           "subject = \"CN=web01.example.com,O=Example\"\nsan = [\"dns:web01.example.com\"]\n{6}",
                           base, SoftHsm::module(), url(), pin, settings.agent_lines, settings.ca_lines,
                           settings.identity_lines));
}

std::string HostileWorld::fingerprint_of(const std::string& common_name) const {
    const lab_ca::HttpReply shown = relay_->answer(lab_ca::test::get_request("operation=GetCACert"));
    // Not every certificate here can be read as one, so their encodings are looked at.
    const auto set = lab_ca::read_signed_data(shown.body);
    for (const Bytes& der : set ? set->certificates : std::vector<Bytes>{shown.body}) {
        if (as_text(der).find(common_name) != std::string::npos) {
            return to_hex(sha256(der), ':');
        }
    }
    throw std::runtime_error("the CA shows no " + common_name);
}

void HostileWorld::advance(Seconds by) {
    clock_->set(clock_->now() + by);
}

RunResult HostileWorld::once() const {
    return run({program("hwenrolld"), "--once", "--config", config().string()},
               {{"HWENROLL_CLOCK_FILE=" + (directory_ / "clock").string()}, {}, {}}, std::chrono::seconds(90));
}

Belongings HostileWorld::look() const {
    Belongings out;
    if (std::filesystem::exists(directory() / "state" / "state.db")) {
        auto opened = store::Store::open_read_only(directory() / "state").value();
        out.identity = opened.identity("web").value();
        out.authority = opened.authority("corp").value();
    }
    for (const auto& entry : entries_below(directory() / "live")) {
        if (entry.is_symlink()) {
            out.published[entry.path().string()] = std::filesystem::read_symlink(entry.path()).string();
        } else if (entry.is_regular_file()) {
            out.published[entry.path().string()] = read_file(entry.path());
        }
    }
    for (const auto& entry : entries_below(hsm_.token_directory())) {
        const bool is_key = entry.path().extension() == ".object" && entry.path().stem() != "token";
        out.token_files += is_key ? 1 : 0;
    }
    return out;
}

Certificate HostileWorld::leaf() const {
    return certificates_from_pem(read_file(directory() / "live" / "web" / "current" / "cert.pem")).value().front();
}

std::vector<Certificate> HostileWorld::anchors() const {
    return certificates_from_pem(read_file(directory() / "live" / "web" / "current" / "ca.pem")).value();
}

const Certificate& HostileWorld::ca() const {
    return relay_->ca().certificate();
}

std::vector<std::pair<std::string, std::string>> HostileWorld::issued() const {
    lab_ca::HttpRequest request = lab_ca::test::get_request("");
    request.path = "/lab/issued";
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& one : nlohmann::json::parse(as_text(relay_->answer(request).body))) {
        out.emplace_back(one.at("transactionID").get<std::string>(), one.at("serial").get<std::string>());
    }
    return out;
}

std::size_t HostileWorld::messages() const {
    const auto log = directory() / "ca" / "lint.jsonl";
    const std::string text = std::filesystem::exists(log) ? read_file(log) : "";
    const std::string mark = "\"operation\":\"PKIOperation\"";
    std::size_t count = 0;
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
        ++count;
    }
    return count;
}

std::vector<std::chrono::steady_clock::time_point> HostileWorld::posts() const {
    return relay_->posts();
}

long HostileWorld::peak_memory() {
    rusage usage{};
    getrusage(RUSAGE_CHILDREN, &usage);
    return usage.ru_maxrss;
}

TimePoint HostileWorld::now() const {
    return clock_->now();
}

std::string HostileWorld::url() const {
    return fmt::format("http://127.0.0.1:{}/scep", server_->port());
}

}  // namespace hwenroll::test
