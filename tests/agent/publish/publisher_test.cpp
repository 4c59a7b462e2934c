#include "agent/publish/publisher.h"

#include <algorithm>
#include <set>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "agent/publish/file_names.h"
#include "base/pem.h"
#include "tests/agent/publish/sample_generation.h"
#include "tests/support/child_process.h"
#include "tests/support/temporary_directory.h"

namespace hwenroll::publish {
namespace {

namespace fs = std::filesystem;

class PublisherTest : public testing::Test {
 protected:
    [[nodiscard]] fs::path web() const { return live_ / "web"; }
    [[nodiscard]] fs::path web(std::string_view name) const { return web() / name; }

    static unsigned mode_of(const fs::path& path) {
        struct stat status {};
        EXPECT_EQ(lstat(path.c_str(), &status), 0) << path;
        return status.st_mode & 07777U;
    }

    [[nodiscard]] std::vector<std::string> names_in(const fs::path& path) const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(path)) {
            names.push_back(entry.path().filename().string());
        }
        std::sort(names.begin(), names.end());
        return names;
    }

    test::TemporaryDirectory directory_;
    fs::path live_ = directory_ / "live";
    Publisher publisher_{live_};
    SampleAuthority authority_;
};

TEST_F(PublisherTest, publishes_the_files_of_the_design) {
    const Generation generation = authority_.generation(1);
    const Status done = publisher_.publish(generation);
    ASSERT_TRUE(done) << done.error().line();
    EXPECT_EQ(fs::read_symlink(web("current")), "gen-001");
    EXPECT_EQ(names_in(web("current")), (std::vector<std::string>{"ca.pem", "cert.pem", "chain.pem", "fullchain.pem",
                                                                  "identity.json", "key.pem", "key.uri"}));
    const auto files = read_current_files(web());
    EXPECT_EQ(inconsistency(files), "");
    EXPECT_EQ(files.at("cert.pem"), to_pem(generation.certificate));
    EXPECT_EQ(files.at("chain.pem"), to_pem(generation.chain.front()));
    EXPECT_EQ(files.at("ca.pem"), to_pem(authority_.root()));
    EXPECT_EQ(files.at("key.uri"), "pkcs11:token=lab;id=%01\n");
    EXPECT_EQ(files.at("key.pem").find("PRIVATE KEY"), std::string::npos);
}

TEST_F(PublisherTest, QRY_6_a_CRL_is_a_file_of_its_generation) {
    Generation generation = authority_.generation(1);
    ASSERT_TRUE(publisher_.publish(generation));
    EXPECT_FALSE(fs::exists(web("current") / "crl.pem"));
    generation.number = 2;
    generation.crl = Bytes(std::size_t{5} << 20U, 0x30);
    ASSERT_TRUE(publisher_.publish(generation)) << "larger than what is read into memory";
    EXPECT_EQ(test::read_file(web("current") / "crl.pem"), to_pem("X509 CRL", generation.crl));
    EXPECT_EQ(*publisher_.difference(generation), "");
    ASSERT_TRUE(publisher_.publish(generation)) << "the same again";
    test::write_file(web("current") / "crl.pem", "y", 0644);
    EXPECT_NE(publisher_.difference(generation)->find("crl.pem has another content"), std::string::npos);
    EXPECT_FALSE(publisher_.publish(generation)) << "nothing is written over";
    generation.number = 3;
    generation.crl.clear();
    ASSERT_TRUE(publisher_.publish(generation));
    EXPECT_FALSE(fs::exists(web("current") / "crl.pem"));
}

TEST_F(PublisherTest, openssl_reads_and_verifies_what_is_published) {
    ASSERT_TRUE(publisher_.publish(authority_.generation(1)));
    const auto verified =
        test::run({"openssl", "verify", "-no_check_time", "-CAfile", web("current/ca.pem").string(), "-untrusted",
                   web("current/chain.pem").string(), web("current/cert.pem").string()});
    EXPECT_EQ(verified.exit_code, 0) << verified.err;
    const auto shown =
        test::run({"openssl", "x509", "-noout", "-serial", "-in", web("current/fullchain.pem").string()});
    EXPECT_EQ(shown.out, "serial=1001\n");
}

TEST_F(PublisherTest, describes_the_generation_in_json) {
    ASSERT_TRUE(publisher_.publish(authority_.generation(7)));
    const auto document = nlohmann::json::parse(read_current_files(web()).at("identity.json"));
    EXPECT_EQ(document["schema"], 1);
    EXPECT_EQ(document["identity"], "web");
    EXPECT_EQ(document["generation"], 7);
    EXPECT_EQ(document["subject"], "CN=web,O=Example");
    EXPECT_EQ(document["issuer"], "CN=Sample Issuer");
    EXPECT_EQ(document["serial"], "1007");
    EXPECT_EQ(document["not_before"], "2026-01-01T00:00:00Z");
    EXPECT_EQ(document["not_after"], "2027-01-01T00:00:00Z");
    EXPECT_EQ(document["key"], "EC P-256");
    EXPECT_EQ(document["anchors_sha256"][0], to_hex(authority_.root().fingerprint(), ':'));
}

TEST_F(PublisherTest, modes_do_not_depend_on_the_umask) {
    for (const mode_t mask : {0022U, 0077U, 0000U}) {
        fs::remove_all(live_);
        const mode_t before = umask(mask);
        const Status done = publisher_.publish(authority_.generation(1), {0644, ""});
        umask(before);
        ASSERT_TRUE(done) << done.error().line();
        EXPECT_EQ(mode_of(live_), 0711U);
        EXPECT_EQ(mode_of(web()), 0711U);
        EXPECT_EQ(mode_of(web("gen-001")), 0711U);
        for (const char* name : {"cert.pem", "chain.pem", "fullchain.pem", "ca.pem", "identity.json"}) {
            EXPECT_EQ(mode_of(web("gen-001") / name), 0644U) << name;
        }
        EXPECT_EQ(mode_of(web("gen-001/key.pem")), 0600U);
        EXPECT_EQ(mode_of(web("gen-001/key.uri")), 0600U);
    }
}

TEST_F(PublisherTest, a_group_may_read_the_key_reference_and_a_mode_is_that_of_the_certificates) {
    const auto group = test::run({"id", "-gn"});
    ASSERT_EQ(group.exit_code, 0);
    const Status done = publisher_.publish(authority_.generation(1), {0440, group.out.substr(0, group.out.find('\n'))});
    ASSERT_TRUE(done) << done.error().line();
    EXPECT_EQ(mode_of(web("gen-001/key.pem")), 0640U);
    EXPECT_EQ(mode_of(web("gen-001/cert.pem")), 0440U);
    struct stat status {};
    ASSERT_EQ(stat(web("gen-001/key.uri").c_str(), &status), 0);
    EXPECT_EQ(status.st_gid, getegid());
}

TEST_F(PublisherTest, refuses_a_group_that_is_not_the_services) {
    const Status unknown = publisher_.publish(authority_.generation(1), {0644, "no-such-group"});
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().line(),
              "E-PUBLISH-WRITE web: cannot give key.pem to the group 'no-such-group' (there is no such group); correct "
              "'group' of the identity");
    const Status foreign = publisher_.publish(authority_.generation(1), {0644, "games"});
    ASSERT_FALSE(foreign);
    EXPECT_EQ(foreign.error().why(), "the service is not in that group");
    EXPECT_FALSE(fs::exists(live_));
}

// S7: a crash between the switch and the record of it publishes the same again.
TEST_F(PublisherTest, S7_the_same_generation_again_is_a_success_and_writes_nothing) {
    const Generation generation = authority_.generation(1);
    ASSERT_TRUE(publisher_.publish(generation));
    const auto before = fs::last_write_time(web("gen-001/cert.pem"));
    struct stat first {};
    ASSERT_EQ(stat(web("gen-001/cert.pem").c_str(), &first), 0);
    const Status again = publisher_.publish(generation);
    ASSERT_TRUE(again) << again.error().line();
    struct stat second {};
    ASSERT_EQ(stat(web("gen-001/cert.pem").c_str(), &second), 0);
    EXPECT_EQ(first.st_ino, second.st_ino);
    EXPECT_EQ(before, fs::last_write_time(web("gen-001/cert.pem")));
}

TEST_F(PublisherTest, S7_completes_the_switch_of_a_generation_that_was_written) {
    ASSERT_TRUE(publisher_.publish(authority_.generation(1)));
    const Generation second = authority_.generation(2);
    ASSERT_TRUE(publisher_.publish(second));
    fs::remove(web("current"));
    fs::create_symlink("gen-001", web("current"));
    ASSERT_TRUE(publisher_.publish(second));
    EXPECT_EQ(fs::read_symlink(web("current")), "gen-002");
}

TEST_F(PublisherTest, repairs_the_modes_of_a_generation) {
    const Generation generation = authority_.generation(1);
    ASSERT_TRUE(publisher_.publish(generation));
    fs::permissions(web("gen-001/key.pem"), fs::perms(0644));
    ASSERT_TRUE(publisher_.publish(generation));
    EXPECT_EQ(mode_of(web("gen-001/key.pem")), 0600U);
}

TEST_F(PublisherTest, refuses_another_generation_under_the_same_number) {
    ASSERT_TRUE(publisher_.publish(authority_.generation(1)));
    const auto before = read_current_files(web());
    const Status other = publisher_.publish(authority_.generation(1));
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code(), ErrorCode::publish_write);
    EXPECT_EQ(
        other.error().line(),
        fmt::format("E-PUBLISH-WRITE web: generation 1 is already published otherwise in {} (cert.pem has another "
                    "content); remove that directory if nobody needs it; the agent does not overwrite it",
                    web("gen-001").string()));
    EXPECT_EQ(read_current_files(web()), before);
}

// S12: forward only.
TEST_F(PublisherTest, S12_refuses_to_go_back) {
    ASSERT_TRUE(publisher_.publish(authority_.generation(5)));
    const Status back = publisher_.publish(authority_.generation(4));
    ASSERT_FALSE(back);
    EXPECT_EQ(back.error().why(), "generation 5 is the current one");
    EXPECT_EQ(names_in(web()), (std::vector<std::string>{"current", "gen-005"}));
}

TEST_F(PublisherTest, keeps_the_last_three_generations) {
    for (std::uint64_t number = 1; number <= 5; ++number) {
        ASSERT_TRUE(publisher_.publish(authority_.generation(number)));
    }
    EXPECT_EQ(names_in(web()), (std::vector<std::string>{"current", "gen-003", "gen-004", "gen-005"}));
    EXPECT_EQ(inconsistency(read_current_files(web())), "");
}

TEST_F(PublisherTest, identities_do_not_touch_each_other) {
    ASSERT_TRUE(publisher_.publish(authority_.generation(1, "web")));
    ASSERT_TRUE(publisher_.publish(authority_.generation(9, "mail.example")));
    EXPECT_EQ(fs::read_symlink(web("current")), "gen-001");
    EXPECT_EQ(fs::read_symlink(live_ / "mail.example" / "current"), "gen-009");
}

// F7: an identity's name never leads out of the directory, whoever lets it through.
TEST_F(PublisherTest, F7_refuses_names_that_are_no_names) {
    for (const char* name : {"", ".", "..", "../x", "/etc", "a/b", ".hidden", "Web"}) {
        Generation generation = authority_.generation(1);
        generation.identity = name;
        EXPECT_FALSE(publisher_.publish(generation)) << name;
    }
    EXPECT_TRUE(names_in(directory_.path()).empty());
}

TEST_F(PublisherTest, refuses_a_key_uri_with_a_pin_without_repeating_it) {
    Generation generation = authority_.generation(1);
    generation.key_uri = "pkcs11:token=lab?pin-value=canary77";
    const Status done = publisher_.publish(generation);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().line().find("canary77"), std::string::npos);
}

// SEC-15, H14, F7: a link in the place of one of our directories is refused, and nothing is written behind it.
TEST_F(PublisherTest, SEC_15_refuses_links_in_the_place_of_directories) {
    const fs::path victim = directory_ / "victim";
    fs::create_directory(victim);
    fs::create_directory(live_);
    fs::create_directory_symlink(victim, web());
    const Status done = publisher_.publish(authority_.generation(1));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().line(),
              fmt::format("E-PUBLISH-WRITE web: cannot open directory {} (it is a symbolic link, which is never "
                          "followed); check space and permissions of publish_dir; the previous generation stays",
                          (live_ / "web").string()));
    EXPECT_FALSE(publisher_.inspect("web"));
    EXPECT_TRUE(publisher_.sweep());
    EXPECT_TRUE(fs::is_empty(victim));

    fs::remove(web());
    fs::create_directory(web());
    fs::create_directory_symlink(victim, web("gen-001"));
    EXPECT_FALSE(publisher_.publish(authority_.generation(1)));
    fs::remove(web("gen-001"));
    fs::create_directory_symlink(victim, web(".tmp-gen-001"));
    EXPECT_TRUE(publisher_.publish(authority_.generation(1)));
    EXPECT_TRUE(fs::is_empty(victim));
}

TEST_F(PublisherTest, SEC_15_refuses_a_publish_dir_that_is_a_link) {
    fs::create_directory(directory_ / "elsewhere");
    fs::create_directory_symlink(directory_ / "elsewhere", live_);
    EXPECT_FALSE(publisher_.publish(authority_.generation(1)));
    EXPECT_TRUE(fs::is_empty(directory_ / "elsewhere"));
}

TEST_F(PublisherTest, H14_refuses_directories_that_others_can_change) {
    fs::create_directory(live_);
    fs::permissions(live_, fs::perms(0777));
    const Status done = publisher_.publish(authority_.generation(1));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().why(), "everybody may write to it");
    if (geteuid() == 0) {
        fs::permissions(live_, fs::perms(0755));
        ASSERT_EQ(chown(live_.c_str(), 12'345, 0), 0);
        const Status foreign = publisher_.publish(authority_.generation(1));
        ASSERT_FALSE(foreign);
        EXPECT_EQ(foreign.error().why(), "it belongs to user 12345");
    }
}

TEST_F(PublisherTest, never_replaces_what_is_not_its_link) {
    fs::create_directories(web());
    test::write_file(web("current"), "precious");
    const Status file = publisher_.publish(authority_.generation(1));
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().what(), web("current").string() + " is no symbolic link");
    EXPECT_EQ(test::read_file(web("current")), "precious");
    fs::remove(web("current"));
    fs::create_directory(web("current"));
    EXPECT_FALSE(publisher_.publish(authority_.generation(1)));
}

// S11: the message names the path and the system's reason.
TEST_F(PublisherTest, S11_says_what_could_not_be_written_and_why) {
    test::write_file(directory_ / "file", "");
    const Status done = Publisher(directory_ / "file" / "live").publish(authority_.generation(1));
    ASSERT_FALSE(done);
    EXPECT_EQ(
        done.error().line(),
        fmt::format("E-PUBLISH-WRITE web: cannot open directory {} (Not a directory); check space and permissions "
                    "of publish_dir; the previous generation stays",
                    (directory_ / "file" / "live").string()));
    const Status missing = Publisher(directory_ / "a" / "b").publish(authority_.generation(1));
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().what(), "cannot make directory " + (directory_ / "a" / "b").string());
    EXPECT_EQ(missing.error().why(), "No such file or directory");
}

TEST_F(PublisherTest, S1_rehearses_without_leaving_anything) {
    EXPECT_TRUE(publisher_.rehearse("web"));
    EXPECT_TRUE(fs::is_empty(web()));
    EXPECT_FALSE(publisher_.rehearse("web", {0644, "no-such-group"}));
    EXPECT_FALSE(Publisher(directory_ / "a" / "b").rehearse("web"));
}

TEST_F(PublisherTest, S6_sweeps_what_a_crash_left) {
    ASSERT_TRUE(publisher_.publish(authority_.generation(1)));
    fs::create_directory(web(".tmp-gen-002"));
    test::write_file(web(".tmp-gen-002/cert.pem"), "half");
    fs::create_symlink("gen-002", web(".tmp-current"));
    test::write_file(live_ / "README", "the operator's");
    const Status swept = publisher_.sweep();
    ASSERT_TRUE(swept) << swept.error().line();
    EXPECT_EQ(names_in(web()), (std::vector<std::string>{"current", "gen-001"}));
    EXPECT_TRUE(fs::exists(live_ / "README"));
    EXPECT_TRUE(Publisher(directory_ / "nothing").sweep());
}

TEST_F(PublisherTest, inspects_what_is_published) {
    EXPECT_EQ(publisher_.inspect("web")->has_value(), false);
    ASSERT_TRUE(publisher_.publish(authority_.generation(1)));
    const Generation second = authority_.generation(2);
    ASSERT_TRUE(publisher_.publish(second));
    const auto state = publisher_.inspect("web");
    ASSERT_TRUE(state && state->has_value());
    EXPECT_EQ((*state)->generations, (std::vector<std::uint64_t>{1, 2}));
    EXPECT_EQ((*state)->current, 2U);
    EXPECT_EQ((*state)->certificate, second.certificate.der());
    EXPECT_EQ((*state)->key_uri, second.key_uri);
    EXPECT_EQ((*state)->defect, "");
    EXPECT_EQ(publisher_.inspect("mail")->has_value(), false);
    EXPECT_EQ(publisher_.inspect("../x")->has_value(), false);
}

// S9, S12, S13: changed, foreign and missing outputs are seen; publishing again repairs a missing generation.
TEST_F(PublisherTest, S13_sees_defects_and_repairs_a_generation_that_was_deleted) {
    const Generation generation = authority_.generation(1);
    const auto defect = [&] { return publisher_.inspect("web").value().value().defect; };
    ASSERT_TRUE(publisher_.publish(generation));
    fs::remove(web("gen-001/chain.pem"));
    EXPECT_EQ(defect(), "cannot read " + web("gen-001/chain.pem").string() + ": No such file or directory");
    fs::remove_all(web("gen-001"));
    EXPECT_EQ(defect(), "cannot open directory " + web("gen-001").string() + ": No such file or directory");
    ASSERT_TRUE(publisher_.publish(generation));
    EXPECT_EQ(defect(), "");
    test::write_file(web("gen-001/cert.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    EXPECT_EQ(defect(), web("gen-001/cert.pem").string() + " holds no single certificate");
    test::write_file(web("gen-001/cert.pem"), to_pem(authority_.root()));
    EXPECT_EQ(defect(), web("gen-001/fullchain.pem").string() + " belongs to another certificate");
    fs::remove(web("current"));
    fs::create_symlink("../mail/gen-001", web("current"));
    EXPECT_EQ(defect(), web("current").string() + " does not point to a generation");
    fs::remove(web("current"));
    EXPECT_EQ(defect(), web("current").string() + " does not point to a generation");
}

TEST_F(PublisherTest, F6_sees_every_file_that_somebody_else_has_changed) {
    const Generation generation = authority_.generation(1);
    EXPECT_EQ(publisher_.difference(generation).value(), web().string() + " is empty");
    ASSERT_TRUE(publisher_.publish(generation));
    EXPECT_EQ(publisher_.difference(generation).value(), "");
    for (const auto& [name, content] : read_current_files(web())) {
        test::write_file(web("gen-001") / name, content + " ");
        EXPECT_NE(publisher_.difference(generation).value().find(web("gen-001/" + name).string()), std::string::npos);
        test::write_file(web("gen-001") / name, content);
        EXPECT_EQ(publisher_.difference(generation).value(), "");
    }
    EXPECT_EQ(publisher_.difference(authority_.generation(2)).value(), web("current").string() + " leads elsewhere");
}

TEST_F(PublisherTest, a_wrapped_key_is_published_and_removed_from_the_generations_before) {
    constexpr const char* wrapped = "-----BEGIN TSS2 PRIVATE KEY-----\nAAAA\n-----END TSS2 PRIVATE KEY-----\n";
    Generation first = authority_.generation(1);
    first.key_pem = wrapped;
    first.key_uri = "file:///live/web/current/key.pem";
    ASSERT_TRUE(publisher_.publish(first));
    EXPECT_EQ(test::read_file(web("current/key.pem")), wrapped);
    EXPECT_EQ(publisher_.difference(first).value(), "");
    const Bytes key = first.certificate.public_key().spki();
    EXPECT_FALSE(publisher_.remove_wrapped_key("web", key).value());
    EXPECT_TRUE(fs::exists(web("gen-001/key.pem"))) << "consumers use it";
    ASSERT_TRUE(publisher_.publish(authority_.generation(2)));
    EXPECT_FALSE(publisher_.remove_wrapped_key("web", {1}).value());
    EXPECT_TRUE(fs::exists(web("gen-001/key.pem"))) << "another key";
    EXPECT_TRUE(publisher_.remove_wrapped_key("web", key).value());
    EXPECT_FALSE(fs::exists(web("gen-001/key.pem")));
    EXPECT_TRUE(fs::exists(web("gen-002/key.pem")));
    EXPECT_FALSE(publisher_.remove_wrapped_key("mail", key).value()) << "nothing is there";
    EXPECT_FALSE(publisher_.remove_wrapped_key("web", authority_.generation(2).certificate.public_key().spki()).value())
        << "a reference is no key";
}

TEST_F(PublisherTest, a_key_behind_a_handle_of_a_TPM_has_no_key_file) {
    Generation generation = authority_.generation(1);
    generation.key_uri = "handle:0x81000010";
    ASSERT_TRUE(publisher_.publish(generation));
    EXPECT_EQ(test::read_file(web("current/key.uri")), "handle:0x81000010\n");
    EXPECT_FALSE(fs::exists(web("current/key.pem")));
    const auto published = publisher_.inspect("web");
    ASSERT_TRUE(published && *published) << (published ? "" : published.error().line());
    EXPECT_EQ((*published)->defect, "");
    EXPECT_EQ((*published)->key_uri, "handle:0x81000010");
    EXPECT_EQ(publisher_.difference(generation).value(), "");
    fs::remove(web("current/key.uri"));
    EXPECT_NE((*publisher_.inspect("web"))->defect.find("key.uri"), std::string::npos);
}

TEST_F(PublisherTest, a_handle_that_no_TPM_keeps_is_refused) {
    for (const char* uri : {"handle:0x80000010", "handle:0x8100001", "handle:0x81000010 ", "handle:0x8100001G",
                            "handle:", "handle:0x81000010?pin=canary"}) {
        Generation generation = authority_.generation(1);
        generation.key_uri = uri;
        const Status published = publisher_.publish(generation);
        ASSERT_FALSE(published) << uri;
        EXPECT_EQ(published.error().code(), ErrorCode::publish_write);
        EXPECT_EQ(published.error().line().find("canary"), std::string::npos);
    }
}

TEST_F(PublisherTest, invariant_7_no_other_private_key_is_ever_published) {
    for (const char* pem :
         {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
          "-----BEGIN TSS2 PRIVATE KEY-----\nAAAA\n-----END TSS2 PRIVATE KEY-----\n-----BEGIN PRIVATE KEY-----\nAAAA\n"
          "-----END PRIVATE KEY-----\n",
          "AAAA"}) {
        Generation generation = authority_.generation(1);
        generation.key_pem = pem;
        const Status refused = publisher_.publish(generation);
        ASSERT_FALSE(refused) << pem;
        EXPECT_EQ(refused.error().line().find("AAAA"), std::string::npos);
    }
    EXPECT_FALSE(fs::exists(web("current")));
}

/// Lets this process open `more` descriptors beyond those that it has.
class DescriptorLimit {
 public:
    explicit DescriptorLimit(rlim_t more) {
        const int next = dup(STDERR_FILENO);
        close(next);
        getrlimit(RLIMIT_NOFILE, &before_);
        const rlimit limit{static_cast<rlim_t>(next) + more, before_.rlim_max};
        EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    }
    DescriptorLimit(const DescriptorLimit&) = delete;
    DescriptorLimit& operator=(const DescriptorLimit&) = delete;
    ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
    rlimit before_{};
};

// What cannot be read for want of descriptors is not what somebody else has changed (F6).
TEST_F(PublisherTest, X16_without_descriptors_nothing_is_taken_for_changed) {
    const Generation generation = authority_.generation(1);
    ASSERT_TRUE(publisher_.publish(generation));
    std::set<std::string> codes;
    for (rlim_t more = 0; more <= 6; ++more) {
        const DescriptorLimit limit(more);
        const auto difference = publisher_.difference(generation);
        const auto state = publisher_.inspect("web");
        EXPECT_EQ(difference.value_or(""), "") << more;
        EXPECT_EQ(state ? state->value().defect : "", "") << more;
        codes.insert(std::string(difference ? "" : difference.error().info().name));
    }
    EXPECT_EQ(codes, (std::set<std::string>{"", "E-PUBLISH-UNSEEN", "E-PUBLISH-WRITE"}));
}

TEST(FileNames, read_back_what_they_write) {
    EXPECT_EQ(generation_name(1), "gen-001");
    EXPECT_EQ(generation_name(1000), "gen-1000");
    for (const std::uint64_t number : {1ULL, 12ULL, 999ULL, 1000ULL, 18'446'744'073'709'551'615ULL}) {
        EXPECT_EQ(generation_number(generation_name(number)), number);
    }
    for (const char* name : {"", "gen-", "gen-1", "gen-0001", "gen-001 ", "gen--01", "gen-99999999999999999999",
                             "current", "../gen-001", "Gen-001"}) {
        EXPECT_EQ(generation_number(name), std::nullopt) << name;
    }
    EXPECT_TRUE(is_temporary(temporary_name("current")));
    EXPECT_FALSE(is_identity_name(temporary_name("current")));
}

}  // namespace
}  // namespace hwenroll::publish
