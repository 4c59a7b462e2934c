// Writes the first inputs of every fuzz target: fuzz_seeds DIRECTORY. The same files in every run.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "agent/config/configuration_reader.h"
#include "agent/control/identity_view.h"
#include "agent/control/message.h"
#include "agent/control/view_codec.h"
#include "keystore/tpm2/key_blob.h"
#include "keystore/tpm2/public_area.h"
#include "keystore/worker/token_protocol.h"
#include "tests/agent/config/sample_configuration.h"
#include "tests/agent/control/control_service_fake.h"
#include "tests/fuzz/captured_world.h"
#include "tests/fuzz/ec_world.h"
#include "tests/fuzz/next_world.h"
#include "tests/fuzz/signed_world.h"
#include "tests/fuzz/tlv_tree.h"
#include "tests/scep/reply/asn1_forge.h"

using namespace hwenroll;

namespace {

/// The directory of one target.
class Seeds {
 public:
    Seeds(const std::filesystem::path& root, const char* target) : directory_(root / target) {
        std::filesystem::create_directories(directory_);
    }

    void add(const std::string& name, ByteView octets) const {
        std::ofstream out(directory_ / name, std::ios::binary);
        out << as_text(octets);
        if (!out.flush()) {
            throw std::runtime_error("cannot write " + (directory_ / name).string());
        }
    }

    /// `rest` behind the octet that says what it becomes.
    void add(const std::string& name, std::uint8_t kind, ByteView rest) const {
        // What structure_mutator.cpp changes nothing in must come out as it was.
        if (const auto tree = fuzz::tlv_tree(rest); tree && !equal(fuzz::encoding(*tree), rest)) {
            throw std::runtime_error("the seed " + name + " is not written as it was read");
        }
        Bytes octets{kind};
        octets.insert(octets.end(), rest.begin(), rest.end());
        add(name, octets);
    }

 private:
    std::filesystem::path directory_;
};

void write_caps(const Seeds& seeds) {
    for (const char* name : {"jscep", "micromdm210", "step-aes"}) {
        seeds.add(name, test::capture(std::string(name) + ".GetCACaps.bin"));
    }
    seeds.add("stored", as_bytes("AES, DES3, GetNextCACert, POSTPKIOperation, Renewal, SHA-1, SHA-256, SHA-512"));
    seeds.add("blanks", as_bytes("\xEF\xBB\xBF\n SCEPStandard\t\r\n\r\naes,\n<html>\n"));
}

void write_ca_cert(const Seeds& seeds) {
    for (const std::string& name : fuzz::captured_ca_sets()) {
        seeds.add(name, test::capture(name));
    }
    std::vector<Bytes> all;
    for (const Certificate& certificate : fuzz::captured_authorities()) {
        all.push_back(certificate.der());
    }
    seeds.add("all", fuzz::certificate_set(all));
    seeds.add("text", test::capture("micromdm210.GetNextCACert.bin"));
}

void write_cert_rep(const Seeds& seeds) {
    for (const fuzz::CapturedReply& reply : fuzz::captured_replies()) {
        seeds.add(reply.exchange.name + ".rep", reply.exchange.reply);
        seeds.add(reply.exchange.name + ".req", test::capture(reply.exchange.name + ".req.der"));
    }
    seeds.add("csr", test::capture("r.csr"));
}

void write_cert_rep_inner(const Seeds& seeds) {
    const Bytes set =
        fuzz::certificate_set({fuzz::signed_certificate(fuzz::expected_subject(), fuzz::expected_extensions())});
    seeds.add("content", 0, fuzz::sealed(set));
    seeds.add("attributes", 1, fuzz::expected_attributes());
    seeds.add("plaintext", 2, set);
    for (const fuzz::CapturedReply& reply : fuzz::captured_replies()) {
        if (!reply.intact.envelope.empty()) {
            seeds.add("content-" + reply.exchange.name, 0, reply.intact.envelope);
            seeds.add("plaintext-" + reply.exchange.name, 2, reply.content);
        }
    }
}

void write_degenerate(const Seeds& seeds) {
    for (const fuzz::CapturedReply& reply : fuzz::captured_replies()) {
        if (!reply.content.empty()) {
            seeds.add(reply.exchange.name, 0, reply.content);
        }
    }
    seeds.add("set", 0,
              fuzz::certificate_set({fuzz::signed_certificate(fuzz::expected_subject(), fuzz::expected_extensions()),
                                     fuzz::signed_world().authority.der()}));
    seeds.add("extensions", 1, fuzz::expected_extensions());
    seeds.add("subject", 2, fuzz::expected_subject());
}

void write_next_ca(const Seeds& seeds) {
    const fuzz::NextWorld& world = fuzz::next_world();
    const Bytes next = fuzz::certificate_set({world.next.der()});
    const Bytes beside = test::asn1::joined({world.next.der(), world.link.der()});
    seeds.add("body", 0, fuzz::signed_reply({}, next));
    seeds.add("body-jscep", 0, test::capture("jscep.GetNextCACert.bin"));
    seeds.add("content", 1, next);
    seeds.add("content-current", 1, fuzz::certificate_set({fuzz::signed_world().authority.der()}));
    seeds.add("content-both", 1, fuzz::certificate_set({fuzz::signed_world().authority.der(), world.next.der()}));
    seeds.add("content-link", 1, fuzz::certificate_set({world.next.der(), world.link.der()}));
    seeds.add("beside", 2, beside);
    seeds.add("flat", 0, fuzz::signed_reply({}, {}, beside));
}

void write_pkcs11_uris(const Seeds& seeds) {
    const auto configured = [&](const char* name, const char* uri) { seeds.add(name, 0, as_bytes(uri)); };
    configured("token", "pkcs11:token=lab");
    configured("all",
               "pkcs11:token=My%20Lab;manufacturer=SoftHSM%20project;serial=0123456789abcdef;model=SoftHSM%20v2");
    configured("pin", "pkcs11:token=lab?pin-value=123456789012345");
    configured("pin-source", "pkcs11:token=lab?pin-source=file:/etc/pin");
    configured("object", "pkcs11:token=lab;object=web;type=private;id=%01%02");
    configured("module", "pkcs11:token=lab?module-name=softhsm2&module-path=/usr/lib/softhsm2.so");
    configured("unknown", "pkcs11:token=lab;x-vendor=1");
    std::string shown = "lab";
    shown.resize(32, ' ');
    shown += "SoftHSM project                 SoftHSM v2      0123456789abcdef";
    seeds.add("shown", 1, as_bytes(shown + "\x01\x02\x03"));
    seeds.add("shown-blank", 1, as_bytes(std::string(112, ' ')));
}

void write_control(const Seeds& seeds) {
    const auto framed = [&](const char* name, const std::string& octets) { seeds.add(name, as_bytes(octets)); };
    const auto with = [](const char* method, nlohmann::json parameters, bool more = false) {
        return control::encode(control::Call{
            .method = std::string(control::agent_prefix) + method, .parameters = std::move(parameters), .more = more});
    };
    framed("status", with("Status", {{"identity", "web"}}));
    framed("monitor", with("Monitor", nlohmann::json::object(), true));
    framed("two", with("Enroll", {{"identity", "web"}}) + with("Renew", {{"identity", "web"}, {"rekey", true}}));
    framed("info", control::encode(control::Call{.method = std::string(control::service_prefix) + "GetInfo"}));
    const auto reply = [&](const char* name, nlohmann::json parameters) {
        framed(name, control::encode(control::Reply{.parameters = std::move(parameters), .continues = true}));
    };
    const control::IdentityView view = test::full_view("web");
    reply("view", control::to_json(view));
    reply("overview", control::to_json(control::overview_of({view})));
    reply("event", control::to_json(test::sample_event("web", "done", true, ErrorCode::ca_rejected)));
    reply("acceptance", control::to_json(control::Acceptance{true, "renews"}));
    reply("resumption", control::to_json(control::ResumptionView{"lab", true, false, true}));
    reply("history", control::to_json(control::HistoryEvent{"token", "lab", test::sample_time(), "logged in"}));
    framed("failed",
           control::encode(control::failure_reply(
               Error(ErrorCode::token_pin, "what", "why", "next").about("web").retry_after(std::chrono::seconds(60)))));
}

void write_crl(const Seeds& seeds) {
    const Bytes entries = fuzz::expected_crl_entries();
    const Bytes extensions = fuzz::expected_crl_extensions();
    seeds.add("list", 0, fuzz::signed_crl(entries, extensions));
    seeds.add("entries", 1, entries);
    seeds.add("extensions", 2, extensions);
}

void write_password_recipient(const Seeds& seeds) {
    const Bytes recipient = fuzz::by_password();
    seeds.add("envelope", 0, fuzz::envelope_for(recipient));
    seeds.add("recipient", 1, recipient);
    seeds.add("two", 1, test::asn1::joined({recipient, recipient}));
    seeds.add("beside-agreement", 1, test::asn1::joined({fuzz::by_agreement(), recipient}));
    seeds.add("wrapped", 2, fuzz::wrapped_content_key());
}

void write_key_agreement(const Seeds& seeds) {
    const Bytes recipient = fuzz::by_agreement();
    seeds.add("envelope", 0, fuzz::envelope_for(recipient));
    seeds.add("recipient", 1, recipient);
    seeds.add("recipient-ukm", 1, fuzz::by_agreement({}, Bytes(16, 0x11)));
    seeds.add("beside-password", 1, test::asn1::joined({fuzz::by_password(), recipient}));
    seeds.add("wrapped", 2, fuzz::ec_world().content_key);
    seeds.add("material", 3, Bytes(64, 0x22));
}

void write_toml(const Seeds& seeds) {
    seeds.add("complete", as_bytes(config::complete));
    seeds.add("least", as_bytes(config::least));
    std::string parts = config::least;
    parts += '\0';
    parts += "[identity.mail]\nca = \"corp\"\ntoken = \"lab\"\nsubject = \"CN=${hostname},serialNumber=${serial}\"\n";
    seeds.add("drop-in", as_bytes(parts));
    seeds.add("wrong",
              as_bytes("[agent]\nstate_dirr = 1\n[ca.x]\nurl = [1]\nchallenge = \"secret\"\n[identity.\"a b\"]\n"));
}

void write_requests(const Seeds& seeds, const PublicKey& public_key) {
    using namespace keystore;
    const KeyReference key{KeyId{Bytes(16, 7)}, public_key};
    const KeyReference wrapped{KeyId{Bytes(16, 7)}, public_key, "-----BEGIN TSS2 PRIVATE KEY-----"};
    std::uint32_t number = 0;
    const auto add = [&](const char* name, RequestBody body) {
        seeds.add(name, encode(Request{++number, std::chrono::milliseconds(60000), std::move(body)}).reveal());
    };
    add("configure", ConfigureRequest{Pkcs11Options{"lab", "/m.so", "pkcs11:token=lab", "file:/p", {}}});
    add("configure-tpm",
        ConfigureRequest{Tpm2Options{"tpm", "device:/dev/tpmrm0", "file:/p", 0x81000010, 0x8100001F, {}}});
    add("describe", DescribeRequest{});
    add("prepare-login", PrepareLoginRequest{});
    add("settle-login", SettleLoginRequest{});
    add("login", LoginRequest{LoginHistory{PinSourceIdentity{1, 2, 3, 4, 5}, true, false}});
    add("list-keys", ListKeysRequest{});
    add("generate", GenerateRequest{KeySpec::rsa_2048, KeyId{{9}}, "web"});
    add("generate-ec", GenerateRequest{KeySpec::ec_p384, KeyId{{8}}, "web"});
    add("find", FindRequest{KeyId{{0, 1}}});
    add("look-up", LookUpRequest{wrapped});
    add("sign", SignRequest{key, SignMechanism::rsa_pkcs1, Bytes(51, 1)});
    add("sign-ecdsa", SignRequest{key, SignMechanism::ecdsa, Bytes(32, 1)});
    add("decrypt", DecryptRequest{key, DecryptMechanism::rsa_pkcs1, Bytes(256, 2)});
    add("agree", AgreeRequest{wrapped, wrapped.public_key});
    add("certify", CertifyRequest{wrapped, Bytes(32, 3)});
    add("destroy", DestroyRequest{KeyId{{1}}});
    add("list-tokens", ListTokensRequest{"/m.so"});
}

void write_responses(const Seeds& seeds, const PublicKey& public_key) {
    using namespace keystore;
    const KeyDescription key{{KeyId{{1, 2, 3}}, public_key, "-----BEGIN"},
                             "a label",
                             {true, true, true, true, true},
                             true,
                             true,
                             true,
                             "pkcs11:id=%01"};
    const TokenDescription token{"label", "maker", "model", "serial", "pkcs11:", true, false, true, false, true};
    std::uint32_t number = 0;
    const auto add = [&](const char* name, ResponseBody body) {
        seeds.add(name, encode(Response{++number, std::move(body)}).reveal());
    };
    add("done", Done{});
    add("error",
        Error(ErrorCode::token_full, "what", "why", "next").about("subject").retry_after(std::chrono::seconds(60)));
    add("token", token);
    add("login-preparation", LoginPreparation{PinSourceIdentity{5, 4, 3, 2, 1}, token});
    add("login-settlement", LoginSettlement{true});
    add("login-outcome", LoginOutcome{LoginOutcome::Result::refused, PinSourceIdentity{5, 4, 3, 2, 1},
                                      Error(ErrorCode::token_pin, "what")});
    add("key", key);
    add("key-or-nothing", ResponseBody(std::in_place_type<std::optional<KeyDescription>>, key));
    add("keys", std::vector<KeyDescription>{key, key});
    add("evidence", KeyEvidence{Bytes(130, 1), Bytes(70, 2), Bytes(90, 3), Bytes(90, 4), Bytes(91, 5), Bytes(500, 6)});
    add("tokens", std::vector<TokenDescription>{token, TokenDescription{}});
    add("octets", Bytes{1, 2, 3});
    add("secret", Secret(as_bytes("key")));
}

/// The file and what is between its lines.
void write_tpm_keys(const Seeds& seeds) {
    using namespace keystore;
    for (const KeySpec spec : {KeySpec::rsa_2048, KeySpec::ec_p256, KeySpec::ec_p384}) {
        tpm2::KeyBlob blob;
        blob.empty_auth = spec != KeySpec::ec_p256;
        blob.parent = spec == KeySpec::ec_p384 ? TPM2_HANDLE{0x81000001} : TPM2_HANDLE{TPM2_RH_OWNER};
        blob.public_area = tpm2::key_template(spec, KeyId{Bytes(16, 7)});
        blob.private_area.size = 126;
        const std::string pem = tpm2::to_pem(blob);
        const std::string name(to_text(spec));
        seeds.add(name, as_bytes(pem));
        const auto begin = pem.find('\n') + 1;
        seeds.add(name + ".der", *from_base64(std::string_view(pem).substr(begin, pem.rfind("-----END") - begin)));
    }
}

void write_all(const std::filesystem::path& root) {
    write_caps(Seeds(root, "caps"));
    write_ca_cert(Seeds(root, "ca_cert"));
    write_cert_rep(Seeds(root, "cert_rep"));
    write_cert_rep_inner(Seeds(root, "cert_rep_inner"));
    write_cert_rep_inner(Seeds(root, "cert_rep_inner_tree"));
    write_control(Seeds(root, "control"));
    write_degenerate(Seeds(root, "degenerate"));
    write_degenerate(Seeds(root, "degenerate_tree"));
    write_next_ca(Seeds(root, "next_ca"));
    write_next_ca(Seeds(root, "next_ca_tree"));
    write_pkcs11_uris(Seeds(root, "pkcs11_uri"));
    write_crl(Seeds(root, "crl"));
    write_crl(Seeds(root, "crl_tree"));
    write_key_agreement(Seeds(root, "key_agreement"));
    write_key_agreement(Seeds(root, "key_agreement_tree"));
    write_password_recipient(Seeds(root, "password_recipient"));
    write_password_recipient(Seeds(root, "password_recipient_tree"));
    write_toml(Seeds(root, "toml"));
    const PublicKey key = fuzz::signed_world().issue.public_key;
    write_requests(Seeds(root, "token_protocol"), key);
    write_responses(Seeds(root, "token_protocol"), key);
    write_tpm_keys(Seeds(root, "tpm_key"));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: fuzz_seeds DIRECTORY\n", stderr);
        return 64;
    }
    try {
        write_all(argv[1]);
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "fuzz_seeds: %s\n", failure.what());
        return 70;
    }
    return 0;
}
