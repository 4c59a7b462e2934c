// `hwenroll attest` as a person and a script use it, and docs/attestation.md as its verifier does.
#include <cstdlib>
#include <functional>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/daemon_world.h"
#include "tests/e2e/recipe_book.h"
#include "tests/support/software_tpm.h"
#include "tests/support/test_paths.h"

namespace hwenroll::test {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::UnorderedElementsAre;

/// Of the files in `directory`.
std::vector<std::string> names_in(const std::filesystem::path& directory) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        names.push_back(entry.path().filename().string());
    }
    return names;
}

/// The daemon is not started yet.
class Attest : public testing::Test {
 protected:
    void configure(const std::string& token_extra = {}) {
        world_.configure({.token = "type = \"tpm2\"\ntcti = \"" + tpm_.tcti() + "\"\n" + token_extra});
    }

    void enroll(const std::string& token_extra = {}) {
        configure(token_extra);
        world_.start_daemon();
        world_.eventually("the enrollment", [&] { return world_.word() == "OK"; });
    }

    [[nodiscard]] RunResult attest(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), "attest");
        return world_.command(std::move(arguments));
    }

    /// `attest` ends with this exit code and tells this.
    void expect_refused(std::vector<std::string> arguments, int exit_code, const std::string& text) const {
        const RunResult refused = attest(std::move(arguments));
        EXPECT_EQ(refused.exit_code, exit_code);
        EXPECT_THAT(refused.err, HasSubstr(text));
        EXPECT_EQ(refused.out, "");
    }

    [[nodiscard]] std::filesystem::path out() const { return world_.directory() / "evidence"; }

    /// A certificate of the TPM's endorsement key, of some 800 octets, by a manufacturer whose root is `maker.pem`.
    void give_ek_certificate() const {
        tpm_.must({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                   "-keyout", "maker.key", "-out", "maker.pem", "-subj", "/CN=maker"});
        tpm_.must({"tpm2_createek", "-Q", "-G", "ecc", "-c", "ek.ctx", "-f", "pem", "-u", "ek.pem"});
        tpm_.must({"tpm2_flushcontext", "-t"});
        write_file(tpm_.directory() / "extensions", "nsComment=" + std::string(400, 'x') + "\n");
        tpm_.must({"openssl", "req", "-new", "-key", "maker.key", "-subj", "/CN=ek", "-out", "ek.csr"});
        tpm_.must({"openssl", "x509", "-req", "-in", "ek.csr", "-force_pubkey", "ek.pem", "-CA", "maker.pem", "-CAkey",
                   "maker.key", "-days", "3650", "-extfile", "extensions", "-outform", "der", "-out", "ek.der"});
        tpm_.must({"tpm2_nvdefine", "-Q", "-C", "o", "-s",
                   std::to_string(std::filesystem::file_size(tpm_.directory() / "ek.der")), "-a",
                   "ownerread|authread|no_da|ownerwrite", "0x01C0000A"});
        tpm_.must({"tpm2_nvwrite", "-Q", "-C", "o", "-i", "ek.der", "0x01C0000A"});
    }

    SoftwareTpm tpm_;
    DaemonWorld world_{{}};
};

TEST_F(Attest, answers_beside_the_daemon_and_after_it) {
    enroll();
    for (const bool runs : {true, false}) {
        const RunResult shown = attest({"web", "--nonce", "00112233"});
        EXPECT_EQ(shown.exit_code, 0) << shown.err;
        EXPECT_THAT(shown.out,
                    AllOf(HasSubstr("identity         web\n"), HasSubstr("key              RSA 2048\n"),
                          HasSubstr("nonce            00112233\n"), HasSubstr("\ncertify-info, in base64:\n"),
                          HasSubstr("EK certificate   the TPM has none that can be read\n")));
        if (runs) {
            EXPECT_EQ(world_.stop_daemon(), 0);
        }
    }
    const RunResult first = attest({"web", "--json"});
    ASSERT_EQ(first.exit_code, 0) << first.err;
    const json one = json::parse(first.out);
    const json other = json::parse(attest({"web", "--json"}).out);
    EXPECT_EQ(one["schema"], 1);
    EXPECT_EQ(one["command"], "attest");
    EXPECT_EQ(one["nonce"].get<std::string>().size(), 64U) << "drawn";
    EXPECT_NE(one["nonce"], other["nonce"]);
    EXPECT_NE(one["files"]["certify-info"], other["files"]["certify-info"]);
    EXPECT_EQ(one["files"]["ak.pub"], other["files"]["ak.pub"]);
    EXPECT_EQ(one["attestation_key_fingerprint"], other["attestation_key_fingerprint"]);
    EXPECT_FALSE(one["files"].contains("ek.der"));
}

TEST_F(Attest, writes_files_all_or_none_and_replaces_none) {
    enroll();
    give_ek_certificate();
    // One block is less than the last file. The shell's limit is the program's, whose signal it ignores.
    const RunResult full = run({"sh", "-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh", program("hwenroll"),
                                "attest", "web", "--out", out().string(), "--config", world_.config().string()});
    EXPECT_EQ(full.exit_code, 73);
    EXPECT_THAT(full.err, AllOf(HasSubstr("E-OUTPUT-FILE cannot write"), HasSubstr("/evidence/ek.der")));
    EXPECT_FALSE(std::filesystem::exists(out()));

    const RunResult written = attest({"web", "--out", out().string()});
    ASSERT_EQ(written.exit_code, 0) << written.err;
    EXPECT_THAT(written.out, HasSubstr("written to       " + out().string() + "\n"));
    EXPECT_THAT(names_in(out()),
                UnorderedElementsAre("nonce", "certify-info", "certify-signature", "certify-signature.der", "key.pub",
                                     "ak.pub", "ak.pem", "ek.der"));
    EXPECT_EQ(read_file(out() / "ek.der"), read_file(tpm_.directory() / "ek.der"));
    const std::string before = read_file(out() / "certify-info");
    expect_refused({"web", "--out", out().string()}, 73, "/evidence/nonce' is there already");
    EXPECT_EQ(read_file(out() / "certify-info"), before);
    expect_refused({"web", "--out", world_.config().string()}, 73, "E-OUTPUT-FILE cannot write");
    expect_refused({"web", "--out", "/nowhere/at/all"}, 73, "E-OUTPUT-FILE cannot write '/nowhere/at/all'");
}

TEST_F(Attest, says_what_is_wrong_before_anything_is_asked) {
    configure();
    expect_refused({"mail"}, 64, "E-UNKNOWN-NAME there is no identity 'mail'");
    expect_refused({"web"}, 69, "no certificate of it is published yet");
    for (const std::string& nonce : {std::string(), std::string("xyz"), std::string(130, 'a')}) {
        expect_refused({"web", "--nonce", nonce}, 64, "E-USAGE '" + nonce + "' is no nonce");
    }
    world_.configure({.token = "type = \"tpm2\"\ntcti = \"" + tpm_.tcti() + "\"\n", .key = "rsa:512"});
    expect_refused({"web"}, 78, "rsa:512");
    world_.configure();
    expect_refused({"web"}, 78, "E-TOKEN-ATTEST identity 'web' has its key on a PKCS#11 token");
}

TEST_F(Attest, an_identity_without_a_certificate_has_nothing_to_attest) {
    world_.restart_ca({"--pending-until-approved"});
    configure();
    world_.start_daemon();
    world_.eventually("its request", [&] { return world_.pending() == 1; });
    expect_refused({"web"}, 69, "E-TOKEN-KEY-MISSING identity 'web' has no key that could be attested");
    EXPECT_EQ(world_.stop_daemon(), 0);
}

// Invariant 6: an authorization value is used under the record of its refusals only.
TEST_F(Attest, invariant_6_P2_with_an_authorization_value_it_waits_for_the_daemon_s_end) {
    const auto auth = world_.directory() / "auth";
    write_file(auth, std::string(canary_pin) + "\n", 0600);
    enroll("auth = \"file:" + auth.string() + "\"\n");
    expect_refused({"web"}, 75, "E-STATE-LOCKED");
    EXPECT_EQ(world_.stop_daemon(), 0);
    const RunResult shown = attest({"web"});
    EXPECT_EQ(shown.exit_code, 0) << shown.err;
    write_file(auth, "wrong\n", 0600);
    for (int tries = 0; tries < 2; ++tries) {
        expect_refused({"web"}, 77, "E-TOKEN-PIN");
    }
    EXPECT_THAT(shown.out + shown.err, Not(HasSubstr(canary_pin)));
}

/// docs/attestation.md, with a machine and a verifier on it.
class AttestRecipe : public Attest {
 protected:
    AttestRecipe() : book_(read_file(source_file("docs/attestation.md"))) {
        enroll();
        std::filesystem::create_directory(verifier_);
        // The document's hwenroll has the default configuration.
        std::filesystem::create_directory(world_.directory() / "bin");
        write_file(
            world_.directory() / "bin" / "hwenroll",
            fmt::format("#!/bin/sh\nexec {} \"$@\" --config {}\n", program("hwenroll"), world_.config().string()),
            0755);
    }

    /// Runs the block as it stands. `tcti` is the way to a TPM beside hwenroll's.
    [[nodiscard]] RunResult follow(const std::string& recipe, const std::string& tcti = "none") const {
        const Places places{{"/srv/attest", verifier_.string()},
                            {"/var/lib/hwenroll/live/web/current", world_.live().string()}};
        return run({"sh", "-c", book_.text(recipe, places)},
                   {{"PATH=" + (world_.directory() / "bin").string() + ":" + std::getenv("PATH"),
                     "TPM2TOOLS_TCTI=" + tcti, "TMPDIR=" + verifier_.string()},
                    {},
                    {}});
    }

    void expect_followed(const std::string& recipe, const std::string& tcti = "none") const {
        const RunResult result = follow(recipe, tcti);
        EXPECT_EQ(result.exit_code, 0) << recipe << ": " << result.out << result.err;
    }

    /// The recipe fails while `change` made of the file what it returns, and says `told`.
    void expect_found(const std::vector<std::string>& files, const std::function<std::string(std::string)>& change,
                      const std::string& told = {}) const {
        std::map<std::filesystem::path, std::string> before;
        for (const std::string& file : files) {
            const std::filesystem::path path = verifier_ / file;
            before[path] = read_file(path);
            write_file(path, change(before[path]));
        }
        const RunResult result = follow("verify");
        EXPECT_NE(result.exit_code, 0) << files.front() << ": " << result.out;
        EXPECT_THAT(result.out + result.err, HasSubstr(told)) << files.front();
        for (const auto& [path, content] : before) {
            write_file(path, content);
        }
    }

    const RecipeBook book_;
    const std::filesystem::path verifier_ = world_.directory() / "verifier";
};

std::string with_octet(std::string content, std::size_t at, char value) {
    content.at(at) = value;
    return content;
}

TEST_F(AttestRecipe, takes_the_evidence_and_finds_each_change_of_it) {
    for (const char* recipe : {"nonce", "evidence", "first time", "verify"}) {
        expect_followed(recipe);
    }
    const auto last_octet_changed = [](std::string content) {
        content.back() = static_cast<char>(content.back() ^ 1);
        return content;
    };
    expect_found({"web/certify-info"}, last_octet_changed, "Verification failure");
    expect_found({"web/certify-signature.der"}, last_octet_changed, "Verification failure");
    expect_found({"web.nonce"}, [](const std::string&) { return std::string(64, 'a') + "\n"; });
    expect_found({"web/key.pub"}, last_octet_changed);
    // Attributes stand at octets 6 to 9 of a TPM2B_PUBLIC; an attestation key that is not restricted signs anything.
    const auto unrestricted = [](const std::string& content) { return with_octet(content, 7, '\x04'); };
    expect_found({"web/ak.pub"}, unrestricted, "differ");
    expect_found({"web/ak.pub", "web.ak.pub"}, unrestricted);
    expect_followed("verify");
}

TEST_F(AttestRecipe, ties_the_attestation_key_to_the_endorsement_key) {
    give_ek_certificate();
    write_file(verifier_ / "makers.pem", read_file(tpm_.directory() / "maker.pem"));
    EXPECT_EQ(world_.stop_daemon(), 0);
    for (const char* recipe : {"nonce", "evidence", "challenge"}) {
        expect_followed(recipe);
    }
    expect_followed("answer", tpm_.tcti());
    for (const char* recipe : {"first time by the endorsement key", "verify"}) {
        expect_followed(recipe);
    }

    // A challenge for another attestation key is not opened.
    write_file(verifier_ / "web" / "ak.pub", with_octet(read_file(verifier_ / "web" / "ak.pub"), 7, '\x04'));
    expect_followed("challenge");
    EXPECT_NE(follow("answer", tpm_.tcti()).exit_code, 0);
    EXPECT_NE(follow("first time by the endorsement key").exit_code, 0);
    write_file(verifier_ / "makers.pem", read_file(world_.live() / "ca.pem"));
    EXPECT_NE(follow("challenge").exit_code, 0) << "of no manufacturer that is trusted";
}

TEST_F(AttestRecipe, takes_no_other_attestation_key_and_no_other_certificate) {
    for (const char* recipe : {"nonce", "evidence", "first time", "verify"}) {
        expect_followed(recipe);
    }
    EXPECT_EQ(book_.names(), (std::set<std::string>{"nonce", "evidence", "first time", "challenge", "answer",
                                                    "first time by the endorsement key", "verify"}));
    tpm_.must({"tpm2_createprimary", "-Q", "-C", "e", "-G", "ecc256:ecdsa-sha256:null", "-a",
               "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign", "-c", "other.ctx"});
    tpm_.must({"tpm2_readpublic", "-Q", "-c", "other.ctx", "-f", "tss", "-o", "other.pub"});
    tpm_.must({"tpm2_flushcontext", "-t"});
    const auto another = [this](const std::string&) { return read_file(tpm_.directory() / "other.pub"); };
    expect_found({"web/ak.pub"}, another, "differ");
    expect_found({"web/ak.pub", "web.ak.pub"}, another, "Verification failure");
    expect_followed("verify");

    // A renewal has another key: the old evidence is not its.
    const RunResult renewed = world_.command({"renew", "web", "--rekey"});
    ASSERT_EQ(renewed.exit_code, 0) << renewed.err;
    world_.eventually("the renewal", [&] { return world_.generation() == "gen-002"; });
    EXPECT_NE(follow("verify").exit_code, 0);
    std::filesystem::remove_all(verifier_ / "web");
    for (const char* recipe : {"nonce", "evidence", "verify"}) {
        expect_followed(recipe);
    }
    EXPECT_EQ(world_.stop_daemon(), 0);
}

}  // namespace
}  // namespace hwenroll::test
