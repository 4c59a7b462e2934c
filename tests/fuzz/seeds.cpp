// Writes the first inputs of every fuzz target: fuzz_seeds DIRECTORY. The same files in every run.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "agent/config/configuration_reader.h"
#include "keystore/tpm2/key_blob.h"
#include "keystore/tpm2/public_area.h"
#include "keystore/worker/token_protocol.h"
#include "tests/agent/config/sample_configuration.h"
#include "tests/fuzz/captured_world.h"
#include "tests/fuzz/signed_world.h"

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

void write_crl(const Seeds& seeds) {
    const Bytes entries = fuzz::expected_crl_entries();
    const Bytes extensions = fuzz::expected_crl_extensions();
    seeds.add("list", 0, fuzz::signed_crl(entries, extensions));
    seeds.add("entries", 1, entries);
    seeds.add("extensions", 2, extensions);
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
    write_degenerate(Seeds(root, "degenerate"));
    write_crl(Seeds(root, "crl"));
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
