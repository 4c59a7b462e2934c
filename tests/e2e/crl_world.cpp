#include "tests/e2e/crl_world.h"

#include <algorithm>

#include <gtest/gtest.h>
#include <sqlite3.h>

namespace hwenroll::test {
namespace {

std::vector<std::string> lab_options(const std::vector<std::string>& more) {
    std::vector<std::string> options{"--crl-lifetime", std::to_string(7 * 86400)};
    options.insert(options.end(), more.begin(), more.end());
    return options;
}

}  // namespace

CrlWorld::CrlWorld(const std::string& source, const std::vector<std::string>& lab, const std::string& ca,
                   const std::string& agent, const std::string& identity, TimePoint begin)
    : ca_(ca), agent_(agent), identity_(identity), world_(std::make_unique<DaemonWorld>(lab_options(lab), begin)) {
    configure(source);
}

void CrlWorld::configure(const std::string& source) {
    ConfigurationChanges changes;
    changes.ca_extra = "crl = \"" + source + "\"\n" + ca_;
    changes.agent_extra = agent_;
    changes.identity_extra += identity_;
    changes.key = key_;
    source_ = source;
    world_->configure(changes);
}

void CrlWorld::use_key(const std::string& key) {
    key_ = key;
    configure(source_);
}

void CrlWorld::use(const std::string& source) {
    configure(source);
    world_->reload();
}

bool CrlWorld::begin() {
    world_->start_daemon();
    world_->eventually("the first CRL", [&] { return has_list() && world_->word() == "OK"; });
    return has_list();
}

bool CrlWorld::has_list() const {
    std::error_code missing;
    return std::filesystem::exists(world_->live() / "crl.pem", missing);
}

std::string CrlWorld::list() const {
    return has_list() ? read_file(world_->live() / "crl.pem") : std::string();
}

std::string CrlWorld::described() const {
    const RunResult shown = run({"openssl", "crl", "-in", (world_->live() / "crl.pem").string(), "-CAfile",
                                 (world_->live() / "ca.pem").string(), "-text", "-noout"});
    EXPECT_EQ(shown.exit_code, 0) << shown.err;
    EXPECT_NE(shown.err.find("verify OK"), std::string::npos) << shown.err;
    return shown.out;
}

void CrlWorld::hand_out(const std::string& form) const {
    EXPECT_EQ(world_->ask_lab("/lab/crl?form=" + form), "done\n");
}

void CrlWorld::lengthen(std::size_t entries) const {
    EXPECT_EQ(world_->ask_lab("/lab/crl?entries=" + std::to_string(entries)), "done\n");
}

void CrlWorld::answer_get_cert(const std::string& form) const {
    EXPECT_EQ(world_->ask_lab("/lab/crl?cert=" + form), "done\n");
}

void CrlWorld::run_sql(const std::string& sql) const {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open((world_->directory() / "state" / "state.db").c_str(), &database), SQLITE_OK);
    sqlite3_busy_timeout(database, 10'000);
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(database);
    sqlite3_close(database);
}

void CrlWorld::rewrite(const std::string& from, const std::string& to) const {
    std::string text = read_file(world_->config());
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
        text.replace(at, from.size(), to);
    }
    write_file(world_->config(), text, 0600);
    world_->reload();
}

std::string CrlWorld::serial() const {
    const auto leaf = world_->leaf();
    return leaf ? to_hex(leaf->serial()) : std::string();
}

void CrlWorld::revoke(const std::string& reason) const {
    EXPECT_EQ(world_->ask_lab("/lab/revoke?serial=" + serial() + "&reason=" + reason), "done\n");
}

std::size_t CrlWorld::messages(const std::string& type) const {
    const auto all = world_->messages();
    return static_cast<std::size_t>(std::ranges::count(all, type));
}

}  // namespace hwenroll::test
