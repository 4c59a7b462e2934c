// What the options of a deployment and an emulation come to.
#include "tests/lab_ca/deployment.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/lab_ca/command_line.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_paths.h"

namespace hwenroll::lab_ca {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// The options that a command line comes to; it throws what CLI11 throws.
LabCaOptions options_from(std::vector<std::string> line) {
    Arguments arguments;
    CLI::App app;
    declare(app, arguments);
    line.insert(line.end(), {"--dir", "somewhere", "--challenge", "secret"});
    std::reverse(line.begin(), line.end());
    app.parse(std::move(line));
    fill_in_emulation(app, arguments.deployment);
    return options_of(arguments).value();
}

TEST(Deployment, SRV_18_an_emulation_sets_what_the_command_line_does_not) {
    const LabCaOptions ndes = options_from({"--emulate", "ndes"});
    EXPECT_EQ(ndes.hierarchy.topology, Topology::split_ra);
    EXPECT_EQ(ndes.hierarchy.purpose, RaPurpose::microsoft);
    EXPECT_THAT(ndes.manner.paths, ElementsAre("/certsrv/mscep/mscep.dll", "/certsrv/mscep/mscep.dll/pkiclient.exe"));
    EXPECT_EQ(ndes.manner.max_query, 2048U);
    EXPECT_EQ(ndes.no_progress, NoProgress::same_key);
    EXPECT_TRUE(ndes.reply.ndes_failure);
    EXPECT_TRUE(ndes.capabilities.has("Renewal"));
    EXPECT_FALSE(ndes.allow_weak_requests);

    const LabCaOptions changed = options_from(
        {"--emulate", "ndes", "--path", "/scep", "--topology", "one-ra", "--caps", "AES", "--max-query", "99"});
    EXPECT_EQ(changed.hierarchy.topology, Topology::one_ra);
    EXPECT_THAT(changed.manner.paths, ElementsAre("/scep"));
    EXPECT_EQ(changed.manner.max_query, 99U);
    EXPECT_FALSE(changed.capabilities.has("Renewal"));
    EXPECT_EQ(changed.manner.server, "Microsoft-IIS/8.5") << "the rest stays";
}

TEST(Deployment, SRV_12_SRV_18_the_other_emulations) {
    const LabCaOptions dogtag = options_from({"--emulate", "dogtag"});
    EXPECT_TRUE(dogtag.reply.pending_empty);
    EXPECT_EQ(dogtag.reply.cipher, "DES-EDE3-CBC");
    EXPECT_TRUE(dogtag.allow_weak_requests);
    const LabCaOptions cisco = options_from({"--emulate", "cisco-ios"});
    EXPECT_TRUE(cisco.manner.http_1_0);
    EXPECT_EQ(cisco.caps.content_type, "application/x-pki-message");
    EXPECT_EQ(cisco.reply.digest, "SHA1");
}

TEST(Deployment, without_an_emulation_everything_is_as_the_standard_has_it) {
    const LabCaOptions plain = options_from({});
    EXPECT_EQ(plain.hierarchy.topology, Topology::root);
    EXPECT_THAT(plain.manner.paths, testing::IsEmpty());
    EXPECT_EQ(plain.reply.cipher, "AES-128-CBC");
    EXPECT_TRUE(plain.reply.sender_nonce && plain.reply.signing_time && plain.reply.signer_certificate);
    EXPECT_EQ(plain.undecodable_status, 0);
}

TEST(Deployment, SRV_12_SRV_17_words_become_what_they_mean) {
    const LabCaOptions options =
        options_from({"--reply-cipher", "same", "--reply-order", "leaf-last", "--leaf-only", "--no-sender-nonce",
                      "--caps-form", "blank-lines", "--undecodable", "500", "--refuse-known-subject"});
    EXPECT_EQ(options.reply.cipher, "");
    EXPECT_EQ(options.reply.order, ReplyOrder::leaf_last);
    EXPECT_EQ(options.reply.certificates, ReplyCertificates::leaf);
    EXPECT_FALSE(options.reply.sender_nonce);
    EXPECT_EQ(options.caps.form, CapsForm::blank_lines);
    EXPECT_EQ(options.undecodable_status, 500);
    EXPECT_TRUE(options.repetition.refuse_known_subject);
    EXPECT_THROW(options_from({"--reply-cipher", "rot13"}), CLI::ParseError);
    EXPECT_THROW(options_from({"--topology", "star"}), CLI::ParseError);
    EXPECT_THROW(options_from({"--undecodable", "404"}), CLI::ParseError);
}

TEST(Deployment, the_document_says_what_each_emulation_sets) {
    const std::string page = hwenroll::test::read_file(hwenroll::test::source_file("docs/lab-ca.md"));
    for (const std::string& name : emulations()) {
        std::string row = fmt::format("| `{}` |", name);
        const char* separator = " ";
        for (const auto& [option, value] : emulation_of(name)) {
            row +=
                fmt::format("{}`{}{}{}`", separator, option, value == "true" ? "" : " ", value == "true" ? "" : value);
            separator = ", ";
        }
        EXPECT_THAT(page, HasSubstr(row + " |\n"));
    }
}

}  // namespace
}  // namespace hwenroll::lab_ca
