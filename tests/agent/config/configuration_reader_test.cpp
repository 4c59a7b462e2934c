#include "agent/config/configuration_reader.h"

#include <algorithm>

#include <gmock/gmock.h>

#include "tests/agent/config/sample_configuration.h"

namespace hwenroll::config {
namespace {

TEST(Configuration, reads_every_key_of_the_design) {
    const Configuration all = must_read(complete);
    EXPECT_TRUE(all.findings.empty()) << lines_of(all.findings).front();
    EXPECT_EQ(all.agent.state_dir, "/srv/hwenroll");
    EXPECT_EQ(all.agent.publish_dir, "/srv/hwenroll/live");
    EXPECT_EQ(all.agent.on_alert, (Command{"/usr/local/bin/page", "--now"}));
    EXPECT_EQ(all.agent.history_keep, Seconds(30 * 86'400));
    EXPECT_EQ(all.limits.connect_timeout, std::chrono::seconds(2));
    EXPECT_EQ(all.limits.max_reply_bytes, 2U << 20U);

    const TokenSettings& token = all.tokens.at("lab");
    EXPECT_EQ(token.module, "/usr/lib/softhsm/libsofthsm2.so");
    EXPECT_EQ(token.uri, "pkcs11:token=lab");
    EXPECT_EQ(token.pin->text(), "file:/etc/hwenroll/lab.pin");
    EXPECT_EQ(token.deadline_use, std::chrono::milliseconds(1500));

    const AuthoritySettings& ca = all.authorities.at("corp");
    EXPECT_EQ(ca.urls.size(), 2U);
    EXPECT_EQ(ca.fingerprints.size(), 1U);
    EXPECT_EQ(ca.challenge->text(), "credential:corp");
    EXPECT_EQ(ca.identifier, "corp ca");
    EXPECT_EQ(ca.http, HttpMethod::get);
    EXPECT_EQ(ca.renewal_type, RenewalType::pkcs_req);
    EXPECT_TRUE(ca.renewal_sends_challenge);
    EXPECT_EQ(ca.switch_at, SwitchAt::not_before);
    EXPECT_EQ(ca.proxy, "http://proxy.example.com:3128");
    EXPECT_EQ(ca.tls_ca, "/etc/ssl/corp.pem");
    EXPECT_EQ(ca.bind, "vrf-mgmt");
    EXPECT_TRUE(ca.legacy.des_cbc_reply && ca.legacy.sha1_reply);
    EXPECT_FALSE(ca.legacy.des3 || ca.legacy.sha1_request);
    EXPECT_EQ(to_iso8601(*ca.legacy.until), "2028-01-01T00:00:00Z");
}

TEST(Configuration, reads_every_key_of_an_identity) {
    const Configuration all = must_read(complete);
    const IdentitySettings& web = all.identities.at("web");
    EXPECT_EQ(web.ca, "corp");
    EXPECT_EQ(web.token, "lab");
    EXPECT_EQ(web.key, KeyChoice(KeyType::rsa_3072));
    EXPECT_EQ(web.subject, *DistinguishedName::from_text("CN=web01.example.com,O=Example"));
    EXPECT_EQ(web.subject_alt_names, (std::vector<std::string>{"dns:web01.example.com", "ip:192.0.2.1"}));
    EXPECT_EQ(web.key_usage, std::vector<std::string>{"digitalSignature"});
    EXPECT_EQ(web.extended_key_usage, (std::vector<std::string>{"serverAuth", "clientAuth"}));
    EXPECT_EQ(web.renew_at, LifetimePoint(Seconds(30 * 86'400)));
    EXPECT_EQ(web.renew_jitter_percent, 0);
    EXPECT_EQ(web.new_key, NewKey::prefer);
    EXPECT_EQ(web.accept, (AcceptRule{AcceptSubject::exact, AcceptAltNames::superset, AcceptUsage::require}));
    EXPECT_EQ(web.retire_after, Seconds(10));
    EXPECT_EQ(web.activate_window->days, 1U);
    EXPECT_EQ(web.activate_by, LifetimeSpan(Percent{5}));
    EXPECT_EQ(web.group, "ssl-cert");
    EXPECT_EQ(web.mode, 0640U);
    EXPECT_EQ(web.poll, (PollSchedule{Seconds(5), 2.0, Seconds(60), Seconds(3600)}));
}

TEST(Configuration, has_the_defaults_of_the_design) {
    const Configuration all = must_read(least);
    EXPECT_TRUE(all.findings.empty());
    EXPECT_EQ(all.agent, AgentSettings());
    EXPECT_EQ(all.limits, LimitSettings());
    EXPECT_EQ(all.agent.publish_dir, "/var/lib/hwenroll/live");
    const AuthoritySettings& ca = all.authorities.at("corp");
    AuthoritySettings expected_ca;
    expected_ca.name = "corp";
    expected_ca.urls = {"http://ca.example.com/scep"};
    expected_ca.fingerprints = ca.fingerprints;
    EXPECT_EQ(ca, expected_ca);
    IdentitySettings expected;
    expected.name = "web";
    expected.ca = "corp";
    expected.token = "lab";
    expected.subject_text = "CN=web01";
    expected.subject = *DistinguishedName::from_text("CN=web01");
    EXPECT_EQ(all.identities.at("web"), expected);
    EXPECT_EQ(expected.renew_at, LifetimePoint(Percent{75}));
    EXPECT_EQ(expected.retire_after, std::chrono::hours(24));
    EXPECT_FALSE(all.tokens.at("lab").pin.has_value());
    EXPECT_EQ(all.tokens.at("lab").deadline_login, std::chrono::seconds(30));
}

TEST(Configuration, an_empty_file_is_a_configuration_without_parts) {
    const Configuration all = must_read("");
    EXPECT_TRUE(all.findings.empty());
    EXPECT_TRUE(all.identities.empty());
}

TEST(Configuration, shows_all_faults_of_a_section_at_once) {
    const Configuration all = must_read(with_line(least, "subject", "subject = 1\nkey = 2\nmode = 3"));
    EXPECT_EQ(all.findings.size(), 3U);
}

TEST(Configuration, CACERT_3_a_ca_without_address_or_fingerprint_is_disabled_with_what_uses_it) {
    for (const char* key : {"url", "fingerprint"}) {
        const Configuration all = must_read(with_line(least, key, ""));
        ASSERT_FALSE(all.findings.empty()) << key;
        EXPECT_EQ(all.findings.front().error.code(), ErrorCode::config_missing) << key;
        EXPECT_TRUE(all.is_disabled(Part::authority, "corp")) << key;
        EXPECT_TRUE(all.is_disabled(Part::identity, "web")) << key;
        EXPECT_TRUE(all.authorities.empty()) << key;
        EXPECT_TRUE(all.identities.empty()) << key;
    }
}

TEST(Configuration, F1_a_fault_of_one_identity_leaves_the_others) {
    const Configuration all = must_read(std::string(least) + "[identity.mail]\nca = \"corp\"\ntoken = \"lab\"\n");
    EXPECT_TRUE(all.identities.contains("web"));
    EXPECT_FALSE(all.identities.contains("mail"));
    EXPECT_TRUE(all.is_disabled(Part::identity, "mail"));
    EXPECT_FALSE(all.is_disabled(Part::identity, "web"));
}

TEST(Configuration, an_identity_falls_with_its_token) {
    const Configuration all = must_read(with_line(least, "type", "type = \"tpm\""));
    EXPECT_EQ(
        lines_of(all.findings).back(),
        "E-CONFIG-REFERENCE identity.web: hwenroll.toml:10:9: [token.lab], which this identity uses, is disabled; "
        "correct [token.lab]");
    EXPECT_TRUE(all.identities.empty());
}

TEST(Configuration, a_tpm_keeps_keys_under_the_handles_of_a_range) {
    const Configuration read = must_read(
        "[token.lab]\ntype = \"tpm2\"\ntcti = \"device:/dev/tpmrm0\"\n"
        "storage = \"persistent:0x81000010-0x8100001f\"\n");
    ASSERT_TRUE(read.findings.empty()) << lines_of(read.findings).front();
    EXPECT_EQ(read.tokens.at("lab").storage, (TpmStorage{0x81000010, 0x8100001F}));
}

TEST(Configuration, an_object_of_a_pkcs11_token_is_looked_for_on_no_tpm_and_a_handle_on_no_pkcs11_token) {
    const std::string tpm = "[token.lab]\ntype = \"tpm2\"\ntcti = \"device:/dev/tpmrm0\"\n";
    const std::string rest = std::string(least).substr(std::string(least).find("[ca."));
    const Configuration object = must_read(tpm + rest + "key = \"existing:pkcs11:id=%01\"\n");
    ASSERT_EQ(object.findings.size(), 1U);
    EXPECT_NE(lines_of(object.findings)[0].find("E-CONFIG-VALUE identity.web: "), std::string::npos);
    EXPECT_NE(lines_of(object.findings)[0].find("'key' names an object of a PKCS#11 token, and [token.lab] is of type "
                                                "\"tpm2\"; name a handle, as in existing:handle:0x81010001"),
              std::string::npos);
    EXPECT_TRUE(object.identities.empty());

    const Configuration handle = must_read(std::string(least) + "key = \"existing:handle:0x81010001\"\n");
    ASSERT_EQ(handle.findings.size(), 1U);
    EXPECT_NE(lines_of(handle.findings)[0].find("'key' names a handle of a TPM, and [token.lab] is of type "
                                                "\"pkcs11\"; name an object, as in existing:pkcs11:id=%9a"),
              std::string::npos);
    EXPECT_TRUE(handle.identities.empty());

    EXPECT_TRUE(must_read(tpm + rest + "key = \"existing:handle:0x81010001\"\n").findings.empty());
}

// A value that this version cannot carry out is checked all the same, so that its mistakes are found today.
TEST(Configuration, every_key_of_a_tpm2_token_is_checked) {
    const auto lines = lines_of(must_read("[token.t]\ntype = \"tpm2\"\ntcti = \"device:tpmrm0\"\nauth = \"x\"\n"
                                          "storage = \"persistent:0x40000001\"\ndeadline_use = \"1\"\nmodul = 1\n"
                                          "uri = \"pkcs11:token=lab\"\n")
                                    .findings);
    ASSERT_EQ(lines.size(), 6U) << fmt::format("{}", fmt::join(lines, "\n"));
    EXPECT_NE(lines[0].find("hwenroll.toml:3:8: 'tcti' names no absolute path of a device"), std::string::npos);
    EXPECT_NE(lines[1].find("hwenroll.toml:4:8: 'auth' does not say where"), std::string::npos) << lines[1];
    EXPECT_NE(lines[2].find("hwenroll.toml:5:11: 'storage' names no range of persistent handles"), std::string::npos);
    EXPECT_NE(lines[3].find("hwenroll.toml:6:16: 'deadline_use' is no duration"), std::string::npos) << lines[3];
    EXPECT_NE(lines[4].find("hwenroll.toml:7:1: [token.t] has no key 'modul'"), std::string::npos) << lines[4];
    EXPECT_NE(lines[5].find("hwenroll.toml:8:7: 'uri' is a key of tokens of type \"pkcs11\""), std::string::npos);
}

TEST(Configuration, the_network_of_a_token_is_a_flag) {
    EXPECT_FALSE(must_read(least).tokens.at("lab").network);
    EXPECT_TRUE(
        must_read(with_line(least, "uri", "uri = \"pkcs11:token=lab\"\nnetwork = true")).tokens.at("lab").network);
    const auto refused = must_read("[token.t]\ntype = \"tpm2\"\ntcti = \"mssim\"\nnetwork = \"yes\"\n");
    ASSERT_EQ(refused.findings.size(), 1U);
    EXPECT_NE(lines_of(refused.findings)[0].find("hwenroll.toml:4:11: 'network' "), std::string::npos)
        << lines_of(refused.findings)[0];
    EXPECT_NE(lines_of(refused.findings)[0].find("true or false"), std::string::npos);
}

TEST(Configuration, HTTP_3_HTTP_2_Q_CISCO_2_a_preset_completes_a_host_and_leaves_a_url) {
    const auto urls = [](const std::string& lines) {
        return must_read(with_line(least, "url", lines)).authorities.at("corp").urls;
    };
    EXPECT_EQ(urls("preset = \"cisco-ios\"\nurl = [\"10.0.0.1\", \"http://ca/scep\"]"),
              (std::vector<std::string>{"http://10.0.0.1/pkiclient.exe", "http://ca/scep"}));
    EXPECT_EQ(urls("preset = \"ndes\"\nurl = \"ndes.example.com:8080\""),
              std::vector<std::string>{"http://ndes.example.com:8080/certsrv/mscep/mscep.dll"});
}

TEST(Configuration, CSR_2_MSG_5_ALG_8_how_requests_are_made_can_be_chosen) {
    const Configuration all = must_read(with_line(
        least, "url",
        "url = \"http://ca/\"\nchallenge_encoding = \"printable\"\ntxid = \"spki-sha1\"\ncipher = \"aes256\"\n"
        "digest = \"sha512\"\nkey_transport = \"oaep\""));
    ASSERT_TRUE(all.findings.empty()) << lines_of(all.findings).front();
    const AuthoritySettings& ca = all.authorities.at("corp");
    EXPECT_EQ(ca.challenge_encoding, ChallengeEncoding::printable);
    EXPECT_EQ(ca.transaction_id.kind, TransactionIdRule::Kind::spki_sha1);
    EXPECT_EQ(ca.cipher, CipherChoice::aes256);
    EXPECT_EQ(ca.digest, DigestChoice::sha512);
    EXPECT_EQ(ca.key_transport, KeyTransport::oaep);
}

// MSG-4: under one transactionID two identities would take each other's answers.
TEST(Configuration, MSG_4_MSG_5_a_fixed_transactionID_is_for_one_identity) {
    const std::string fixed = with_line(least, "url", "url = \"http://ca/\"\ntxid = \"fixed:edge-7\"");
    EXPECT_TRUE(must_read(fixed).findings.empty());
    const Configuration two =
        must_read(fixed + "[identity.app]\nca = \"corp\"\ntoken = \"lab\"\nsubject = \"CN=app\"\n");
    const auto lines = lines_of(two.findings);
    ASSERT_EQ(lines.size(), 1U) << fmt::format("{}", fmt::join(lines, "\n"));
    EXPECT_EQ(
        lines[0],
        "E-CONFIG-VALUE identity.web: hwenroll.toml:10:6: [ca.corp] has a fixed 'txid', which [identity.app] uses "
        "(two requests under one transactionID would be taken for one); give each its own [ca.NAME] and 'txid', or set "
        "txid = \"random\" in [ca.corp]");
    EXPECT_TRUE(two.identities.contains("app")) << "the first by name keeps it";
    EXPECT_FALSE(two.identities.contains("web"));
}

/// Findings with identity `app` under another section, with these lines, than identity `web`.
std::vector<std::string> findings_beside_fixed(const std::string& other) {
    const std::string fixed = with_line(least, "url", "url = \"http://ca/scep\"\ntxid = \"fixed:edge-7\"");
    return lines_of(must_read(fixed + "[identity.app]\nca = \"also\"\ntoken = \"lab\"\nsubject = \"CN=app\"\n" +
                              "[ca.also]\nfingerprint = "
                              "\"6f2b0a1c3d4e5f60718293a4b5c6d7e8f90123456789abcdef0011223344aabb\"\n" +
                              other)
                        .findings);
}

// A CA knows nothing of sections: what counts is where its messages go.
TEST(Configuration, MSG_4_MSG_5_a_fixed_transactionID_is_for_one_identity_of_a_ca_whatever_its_sections_are) {
    const char* const same_id = "txid = \"fixed:edge-7\"\n";
    for (const char* url :
         {"\"http://ca/scep\"", "\"HTTP://CA:80/scep\"", "[\"http://backup/scep\", \"http://ca/scep\"]"}) {
        const auto lines = findings_beside_fixed(std::string("url = ") + url + "\n" + same_id);
        ASSERT_EQ(lines.size(), 1U) << url << fmt::format("{}", fmt::join(lines, "\n"));
        EXPECT_THAT(lines[0], testing::AllOf(testing::StartsWith("E-CONFIG-VALUE identity.web: "),
                                             testing::HasSubstr("[ca.corp] and [ca.also] are one CA and have the same "
                                                                "fixed 'txid', which [identity.app] uses")));
    }
    for (const std::string other :
         {"url = \"http://ca/scep\"\ntxid = \"fixed:edge-8\"\n", "url = \"http://ca/scep\"\n",
          "url = \"http://ca:8080/scep\"\ntxid = \"fixed:edge-7\"\n",
          "url = \"https://ca/scep\"\ntxid = \"fixed:edge-7\"\n", "url = \"http://ca/SCEP\"\ntxid = \"fixed:edge-7\"\n",
          "url = \"http://ca/scep\"\nidentifier = \"two\"\ntxid = \"fixed:edge-7\"\n"}) {
        EXPECT_THAT(findings_beside_fixed(other), testing::IsEmpty()) << other;
    }
}

TEST(Configuration, an_existing_key_is_used_again_and_never_replaced) {
    const Configuration all = must_read(
        with_line(least, "subject", "subject = \"CN=a\"\nkey = \"existing:pkcs11:id=%9a%01;object=web%20key\""));
    ASSERT_TRUE(all.findings.empty()) << lines_of(all.findings).front();
    EXPECT_EQ(all.identities.at("web").key, KeyChoice(ExistingKey{{0x9a, 0x01}, "web key"}));
    EXPECT_EQ(all.identities.at("web").new_key, NewKey::reuse);
}

TEST(Configuration, a_signer_names_a_token_that_is_there) {
    const Configuration all = must_read(with_line(
        least, "subject",
        "subject = \"CN=a\"\nsigner = { token = \"lap\", key = \"rsa:2048\", cert = \"idevid.pem\", chian = 1 }"));
    const auto lines = lines_of(all.findings);
    ASSERT_EQ(lines.size(), 4U) << fmt::format("{}", fmt::join(lines, "\n"));
    EXPECT_NE(lines[0].find("there is no [token.lap]; did you mean 'lab'?"), std::string::npos) << lines[0];
    EXPECT_NE(lines[1].find("'key' asks for a new key"), std::string::npos) << lines[1];
    EXPECT_NE(lines[2].find("'cert' is no absolute path"), std::string::npos) << lines[2];
    EXPECT_NE(lines[3].find("did you mean 'chain'?"), std::string::npos) << lines[3];
    const Configuration later = must_read(with_line(least, "subject",
                                                    "subject = \"CN=a\"\nsigner = { token = \"lab\", key = "
                                                    "\"existing:handle:0x81010001\", cert = \"/etc/idevid.pem\" }"));
    ASSERT_EQ(later.findings.size(), 1U);
    EXPECT_EQ(later.findings.front().error.code(), ErrorCode::config_value);
    const Configuration good = must_read(with_line(least, "subject",
                                                   "subject = \"CN=a\"\nsigner = { token = \"lab\", key = "
                                                   "\"existing:pkcs11:id=%0a\", cert = \"/etc/idevid.pem\" }"));
    ASSERT_TRUE(good.findings.empty()) << lines_of(good.findings).front();
    EXPECT_EQ(good.identities.at("web").signer->key, KeyChoice(ExistingKey{{0x0a}, ""}));
}

TEST(Configuration, ROLL_8_RT_3_a_ca_may_wait_for_an_operator_and_take_requests_up_in_any_order) {
    const Configuration all =
        must_read(with_line(least, "url", "url = \"http://ca/\"\nrollover = \"operator\"\nresync = \"poll,new\""));
    ASSERT_TRUE(all.findings.empty()) << lines_of(all.findings).front();
    EXPECT_EQ(all.authorities.at("corp").rollover, RolloverRule::operator_);
    EXPECT_EQ(all.authorities.at("corp").resync, (std::vector{Resync::poll, Resync::fresh}));
}

// Invariant 7, on every road that a secret in the wrong place can take.
TEST(Configuration, never_repeats_a_secret) {
    const std::vector<std::pair<const char*, const char*>> places{
        {"uri", "uri = \"pkcs11:token=lab;pin-value=canary77\""},
        {"uri", "uri = \"canary77\""},
        {"uri", "uri = \"pkcs11:token=lab\"\npin = \"canary77\""},
        {"uri", "uri = \"pkcs11:token=lab\"\npin = [\"canary77\"]"},
        {"uri", "uri = \"pkcs11:token=lab\"\npassword = \"canary77\""},
        {"url", "url = \"http://user:canary77@ca/\""},
        {"url", "url = \"http://ca/\"\nproxy = \"http://user:canary77@proxy:3128\""},
        {"url", "url = \"http://ca/\"\nchallenge = \"canary77\""},
        {"url", "url = \"http://ca/\"\nchallenge = \"file:canary77\""}};
    for (const auto& [replaced, line] : places) {
        const Configuration all = must_read(with_line(least, replaced, line));
        ASSERT_FALSE(all.findings.empty()) << line;
        for (const std::string& text : lines_of(all.findings)) {
            EXPECT_EQ(text.find("canary77"), std::string::npos) << text;
        }
    }
    for (const char* line : {"pin = canary77", "pin = truecanary77", "pin = 'canary77", "pin = canary77 # x"}) {
        const auto broken = read_configuration({{"f", with_line(least, "uri", line)}}, facts());
        ASSERT_FALSE(broken) << line;
        EXPECT_EQ(broken.error().line().find("canary77"), std::string::npos) << broken.error().line();
    }
    const auto number = read_configuration({{"f", "pin = 77777777777777777777777"}}, facts());
    ASSERT_FALSE(number);
    EXPECT_EQ(number.error().line().find("7777777"), std::string::npos) << number.error().line();
}

TEST(Configuration, a_main_file_that_is_no_TOML_is_an_error) {
    const auto broken = read_configuration({{"hwenroll.toml", "[agent]\nstate_dir = /srv\n"}}, facts());
    ASSERT_FALSE(broken);
    EXPECT_EQ(broken.error().code(), ErrorCode::config_syntax);
    EXPECT_EQ(broken.error().info().exit_code, 78);
    EXPECT_EQ(broken.error().line().find("E-CONFIG-SYNTAX configuration: hwenroll.toml:2:13: this is not TOML ("), 0U)
        << broken.error().line();
}

TEST(Configuration, a_bad_agent_section_is_an_error) {
    const auto bad = read_configuration({{"hwenroll.toml", "[agent]\nstate_dir = \"srv\"\n"}}, facts());
    ASSERT_FALSE(bad);
    EXPECT_EQ(
        bad.error().line(),
        "E-CONFIG-VALUE agent: hwenroll.toml:2:13: 'state_dir' is no absolute path; write a path that begins with "
        "/");
    EXPECT_FALSE(read_configuration({{"a", "[agent]\nstate = \"/srv\"\n"}}, facts()));
    EXPECT_FALSE(read_configuration({{"a", "agent = 3\n"}}, facts()));
    EXPECT_FALSE(read_configuration({{"a", ""}, {"b", "[agent]\nstate_dir = 1\n"}}, facts()));
}

TEST(Configuration, a_drop_in_that_is_no_TOML_is_skipped) {
    const Configuration all = must_read({{"hwenroll.toml", least}, {"conf.d/10.toml", "x = \n"}});
    ASSERT_EQ(all.findings.size(), 1U);
    EXPECT_EQ(all.findings.front().part, Part::file);
    EXPECT_EQ(all.findings.front().at.file, "conf.d/10.toml");
    EXPECT_EQ(all.findings.front().at.line, 1U);
    EXPECT_EQ(all.findings.front().error.code(), ErrorCode::config_syntax);
    EXPECT_TRUE(all.identities.contains("web"));
}

TEST(Configuration, merges_parts_and_keys_of_several_files) {
    const Configuration all =
        must_read({{"hwenroll.toml", "[agent]\nstate_dir = \"/srv\"\n" + std::string(least)},
                   {"conf.d/10.toml", "[agent]\nadmin_group = \"ops\"\n"},
                   {"conf.d/20.toml", "[identity.mail]\nca = \"corp\"\ntoken = \"lab\"\nsubject = \"CN=m\"\n"}});
    EXPECT_TRUE(all.findings.empty()) << lines_of(all.findings).front();
    EXPECT_EQ(all.agent.state_dir, "/srv");
    EXPECT_EQ(all.agent.admin_group, "ops");
    EXPECT_EQ(all.identities.size(), 2U);
    EXPECT_EQ(all.files.size(), 3U);
}

// F5: nobody can say which of two definitions was meant.
TEST(Configuration, F5_a_part_that_is_defined_twice_is_disabled) {
    const Configuration all =
        must_read({{"hwenroll.toml", least},
                   {"conf.d/10.toml", "\n[identity.web]\nca = \"corp\"\ntoken = \"lab\"\nsubject = \"CN=other\"\n"}});
    ASSERT_EQ(all.findings.size(), 1U);
    EXPECT_EQ(all.findings.front().error.line(),
              "E-CONFIG-VALUE identity.web: conf.d/10.toml:2:11: [identity.web] is defined here and at "
              "hwenroll.toml:8:11; keep one of the two sections");
    EXPECT_TRUE(all.identities.empty());
    EXPECT_TRUE(all.tokens.contains("lab"));
}

TEST(AgentSettings, are_read_alone_as_with_all_the_rest) {
    const std::vector<SourceText> good{{"hwenroll.toml", "[agent]\nstate_dir = \"/srv\"\n[identity.web]\nkey = 3\n"},
                                       {"conf.d/10.toml", "[agent]\nadmin_group = \"ops\"\n"}};
    const auto alone = read_agent_settings(good);
    ASSERT_TRUE(alone) << alone.error().line();
    EXPECT_EQ(*alone, read_configuration(good, facts())->agent);
    EXPECT_EQ(alone->admin_group, "ops");
    for (const char* const bad : {"[agent]\nstate_dir = \"srv\"\n", "agent = 3\n", "[agent]\nstate_dir = /srv\n"}) {
        const auto refused = read_agent_settings({{"hwenroll.toml", bad}});
        ASSERT_FALSE(refused) << bad;
        EXPECT_EQ(refused.error().line(), read_configuration({{"hwenroll.toml", bad}}, facts()).error().line());
    }
}

TEST(AgentSettings, are_read_beside_what_is_no_toml_unless_it_hides_them) {
    const auto beside =
        read_agent_settings({{"hwenroll.toml", "[identity.web]\nkey = what\n[agent]\nstate_dir = \"/srv\"\n"}});
    ASSERT_TRUE(beside) << beside.error().line();
    EXPECT_EQ(beside->state_dir, "/srv");
    const std::vector<SourceText> hidden{
        {"hwenroll.toml", "[identity.web]\nkey = \"what\n[agent]\nstate_dir = \"/srv\"\n"}};
    const auto refused = read_agent_settings(hidden);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().line(), read_configuration(hidden, facts()).error().line());
}

TEST(Configuration, an_agent_key_that_is_set_twice_is_an_error) {
    const auto twice = read_configuration(
        {{"a.toml", "[agent]\nadmin_group = \"a\"\n"}, {"b.toml", "[agent]\nadmin_group = \"b\"\n"}}, facts());
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().line(),
              "E-CONFIG-VALUE agent: b.toml:2:1: 'admin_group' is set here and at a.toml:2:1; keep one of the two "
              "lines");
}

TEST(Configuration, findings_are_in_the_order_of_files_and_lines) {
    const Configuration all =
        must_read({{"z.toml", "[identity.a]\nbad1 = 1\n[ca.b]\nbad2 = 1\n"}, {"a.toml", "[token.c]\nbad3 = 1\n"}});
    std::vector<std::pair<std::string, unsigned>> places;
    for (const Finding& finding : all.findings) {
        places.emplace_back(finding.at.file, finding.at.line);
    }
    auto sorted = places;
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
        return std::pair(a.first != "z.toml", a.second) < std::pair(b.first != "z.toml", b.second);
    });
    EXPECT_EQ(places, sorted);
    EXPECT_GE(places.size(), 5U);
}

// Any text is an answer, never a crash: every prefix, every octet changed, and deep nesting.
TEST(Configuration, F1_survives_every_cut_and_every_changed_octet) {
    const std::string text = complete;
    std::size_t good = 0;
    for (std::size_t size = 0; size <= text.size(); ++size) {
        good += read_configuration({{"f", text.substr(0, size)}}, facts()).has_value() ? 1 : 0;
    }
    EXPECT_GT(good, 10U);
    for (std::size_t i = 0; i < text.size(); ++i) {
        for (const char octet : {'\0', '"', '=', '\xFF', '[', '\n', '{', '-'}) {
            std::string changed = text;
            changed[i] = octet;
            if (const auto result = read_configuration({{"f", changed}}, facts()); !result) {
                EXPECT_FALSE(result.error().line().empty());
            }
        }
    }
    EXPECT_FALSE(read_configuration({{"f", "a = " + std::string(10'000, '[')}}, facts()));
    EXPECT_FALSE(read_configuration({{"f", std::string(10'000, '{')}}, facts()));
}

}  // namespace
}  // namespace hwenroll::config
