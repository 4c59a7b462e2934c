#include "tests/lab_ca/deployment.h"

#include <map>

namespace hwenroll::lab_ca {
namespace {

template <class Value>
using Words = std::map<std::string, Value>;

using Setting = std::pair<std::string, std::string>;

template <class Value>
void add_word(CLI::App& app, const char* name, Value& value, const Words<Value>& words, const char* text) {
    app.add_option(name, value, text)->transform(CLI::CheckedTransformer(words))->option_text("WORD");
}

/// What is set by giving the option, where the default is the other value.
void add_off_switch(CLI::App& app, const char* name, bool& value, const char* text) {
    app.add_flag_callback(
        name, [&value] { value = false; }, text);
}

void declare_hierarchy(CLI::App& app, DeploymentArguments& arguments) {
    add_word(
        app, "--topology", arguments.topology,
        {{"root", Topology::root},
         {"intermediate", Topology::intermediate},
         {"one-ra", Topology::one_ra},
         {"split-ra", Topology::split_ra},
         {"ec-ca", Topology::ec_ca}},
        "what stands above and beside the CA: root (nothing), intermediate, one-ra, split-ra or ec-ca (with an RSA "
        "RA); only root rolls over");
    add_word(app, "--ra-purpose", arguments.ra_purpose,
             {{"cmc-ra", RaPurpose::cmc_ra}, {"microsoft", RaPurpose::microsoft}},
             "extended key usage of RAs: cmc-ra or microsoft (certificate request agent)");
}

void declare_manner(CLI::App& app, DeploymentArguments& arguments) {
    add_word(
        app, "--caps-form", arguments.caps.form,
        {{"lf", CapsForm::lf},
         {"crlf", CapsForm::crlf},
         {"cr", CapsForm::cr},
         {"mixed-case", CapsForm::mixed_case},
         {"blank-lines", CapsForm::blank_lines},
         {"unknown-words", CapsForm::unknown_words},
         {"html", CapsForm::html},
         {"empty", CapsForm::empty},
         {"not-found", CapsForm::not_found},
         {"close", CapsForm::close}},
        "how GetCACaps is answered: lf, crlf, cr, mixed-case, blank-lines, unknown-words, html, empty, not-found or "
        "close");
    app.add_option("--caps-type", arguments.caps.content_type, "Content-Type of GetCACaps (default text/plain)");
    app.add_option("--path", arguments.manner.paths, "the only path that is served (default: any); repeatable")
        ->allow_extra_args(false);
    app.add_option("--server", arguments.manner.server, "the Server header");
    app.add_option("--max-query", arguments.manner.max_query, "octets of a query; longer ones get status 404");
    app.add_flag("--http-1.0", arguments.manner.http_1_0, "answer in HTTP/1.0 without Content-Length");
    app.add_flag("--strict-get", arguments.manner.strict_get,
                 "refuse PKIOperation by GET in any form but base64 that is percent-encoded");
    app.add_flag("--require-operation", arguments.manner.needs_operation, "refuse a POST without 'operation'");
}

void declare_reply(CLI::App& app, DeploymentArguments& arguments) {
    ReplyShape& reply = arguments.reply;
    add_word(
        app, "--reply-cipher", reply.cipher,
        {{"aes128", "AES-128-CBC"},
         {"aes192", "AES-192-CBC"},
         {"aes256", "AES-256-CBC"},
         {"des3", "DES-EDE3-CBC"},
         {"des", "DES-CBC"},
         {"same", ""}},
        "cipher of replies: aes128, aes192, aes256, des3, des (with --allow-weak-requests) or same (as the request's)");
    add_word(app, "--reply-digest", reply.digest,
             {{"sha1", "SHA1"}, {"sha256", "SHA256"}, {"sha384", "SHA384"}, {"sha512", "SHA512"}, {"same", ""}},
             "digest of replies: sha1, sha256, sha384, sha512 or same");
    add_word(
        app, "--reply-certificates", reply.certificates,
        {{"leaf", ReplyCertificates::leaf},
         {"issuer", ReplyCertificates::issuer},
         {"chain", ReplyCertificates::chain},
         {"stranger", ReplyCertificates::stranger}},
        "what a SUCCESS holds beside the issued certificate: leaf (nothing), issuer, chain or stranger (the CA and an "
        "unknown root)");
    add_word(
        app, "--reply-order", reply.order,
        {{"sorted", ReplyOrder::sorted}, {"leaf-first", ReplyOrder::leaf_first}, {"leaf-last", ReplyOrder::leaf_last}},
        "order of these: sorted (DER), leaf-first or leaf-last");
    app.add_flag("--reply-ski", reply.key_identifier, "name the recipient of replies by subject key identifier");
    app.add_flag("--reply-oaep", reply.oaep, "encrypt the content key of replies by OAEP");
    app.add_flag("--reply-ber", reply.indefinite, "replies in BER of indefinite length");
    add_off_switch(app, "--no-reply-signer", reply.signer_certificate, "replies without their signer's certificate");
    add_off_switch(app, "--no-sender-nonce", reply.sender_nonce, "replies without senderNonce");
    add_off_switch(app, "--no-signing-time", reply.signing_time, "replies without signingTime");
    add_off_switch(app, "--no-fail-info-text", reply.fail_info_text, "FAILURE without failInfoText");
    app.add_flag("--ndes-failure", reply.ndes_failure,
                 "FAILURE as NDES sends it: SHA-1, no certificate, no signingTime, one octet of content, an HRESULT");
    app.add_flag("--pending-as-success", reply.pending_empty,
                 "PENDING as Dogtag sends it: SUCCESS with an envelope of no octets");
}

void declare_repetition(CLI::App& app, DeploymentArguments& arguments) {
    app.add_flag("--refuse-known-transaction", arguments.repetition.refuse_known_transaction,
                 "FAILURE for a transactionID that was used, in place of the same answer again");
    app.add_flag("--refuse-known-subject", arguments.repetition.refuse_known_subject,
                 "FAILURE for a subject that has a valid certificate, unless that one renews itself");
    app.add_option("--undecodable", arguments.undecodable,
                   "how a request is answered that cannot be verified or opened: certrep (FAILURE), 400 or 500")
        ->check(CLI::IsMember({"certrep", "400", "500"}));
}

/// Requirements Q-NDES-3, -4, -8, -12 and Q-CISCO-2, -3 and Q-DOG-1, -2 say where each line comes from.
const std::map<std::string, std::vector<Setting>>& known_emulations() {
    static const std::map<std::string, std::vector<Setting>> known{
        {"ndes",
         {{"--topology", "split-ra"},
          {"--ra-purpose", "microsoft"},
          {"--path", "/certsrv/mscep/mscep.dll"},
          {"--path", "/certsrv/mscep/mscep.dll/pkiclient.exe"},
          {"--server", "Microsoft-IIS/8.5"},
          {"--max-query", "2048"},
          {"--caps", "AES,POSTPKIOperation,Renewal,SHA-512,SHA-256,SHA-1,DES3"},
          {"--renewal-no-progress", "same-key"},
          {"--ndes-failure", "true"}}},
        {"dogtag",
         {{"--path", "/ca/cgi-bin/pkiclient.exe"},
          {"--caps", "DES3,POSTPKIOperation,SHA-1,SHA-256"},
          {"--allow-weak-requests", "true"},
          {"--reply-cipher", "des3"},
          {"--pending-as-success", "true"}}},
        {"cisco-ios",
         {{"--path", "/pkiclient.exe"},
          {"--path", "/cgi-bin/pkiclient.exe"},
          {"--http-1.0", "true"},
          {"--caps-type", "application/x-pki-message"},
          {"--caps", "DES3,POSTPKIOperation,Renewal,SHA-1,SHA-256"},
          {"--allow-weak-requests", "true"},
          {"--reply-cipher", "des3"},
          {"--reply-digest", "sha1"}}}};
    return known;
}

}  // namespace

std::vector<Setting> emulation_of(const std::string& name) {
    const auto found = known_emulations().find(name);
    return found == known_emulations().end() ? std::vector<Setting>() : found->second;
}

std::vector<std::string> emulations() {
    std::vector<std::string> out;
    for (const auto& [name, settings] : known_emulations()) {
        out.push_back(name);
    }
    return out;
}

void declare_deployment(CLI::App& app, DeploymentArguments& arguments) {
    app.add_option("--emulate", arguments.emulate,
                   "sets what the command line does not set itself as ndes, dogtag or cisco-ios has it")
        ->check(CLI::IsMember(emulations()));
    declare_hierarchy(app, arguments);
    declare_manner(app, arguments);
    declare_reply(app, arguments);
    declare_repetition(app, arguments);
}

void fill_in_emulation(CLI::App& app, const DeploymentArguments& arguments) {
    std::map<std::string, std::vector<std::string>> values;
    for (const auto& [name, value] : emulation_of(arguments.emulate)) {
        values[name].push_back(value);
    }
    for (const auto& [name, all] : values) {
        CLI::Option* option = app.get_option(name);
        if (option->count() == 0) {
            option->add_result(all);
            option->run_callback();
        }
    }
}

void apply(const DeploymentArguments& arguments, LabCaOptions& options) {
    options.hierarchy = {arguments.topology, arguments.ra_purpose};
    options.caps = arguments.caps;
    options.manner = arguments.manner;
    options.reply = arguments.reply;
    options.repetition = arguments.repetition;
    options.undecodable_status = arguments.undecodable == "certrep" ? 0 : std::stoi(arguments.undecodable);
}

}  // namespace hwenroll::lab_ca
