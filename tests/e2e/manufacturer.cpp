#include "tests/e2e/manufacturer.h"

#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/softhsm.h"

namespace hwenroll::test {
namespace {

std::string must_run(std::vector<std::string> line) {
    const std::string what = line.front() + " " + line.at(1);
    const RunResult result = run(std::move(line));
    if (result.exit_code != 0) {
        throw std::runtime_error(what + ": " + result.out + result.err);
    }
    return result.out;
}

std::vector<std::string> on_token(const std::string& token, const std::string& pin, std::vector<std::string> more) {
    std::vector<std::string> line{"pkcs11-tool", "--module", SoftHsm::module(), "--token-label",
                                  token,         "--login",  "--pin",           pin};
    line.insert(line.end(), more.begin(), more.end());
    return line;
}

}  // namespace

Manufacturer::Manufacturer(const std::string& name) {
    must_run({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", (directory_ / "root.key").string(),
              "-out", root().string(), "-subj", "/CN=" + name + " Root", "-days", "7300"});
}

std::filesystem::path Manufacturer::make_intermediate() {
    const std::string pem = (directory_ / "intermediate.pem").string();
    must_run({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
              (directory_ / "intermediate.key").string(), "-out", pem, "-subj", "/CN=Maker Devices", "-days", "7300",
              "-CA", root().string(), "-CAkey", (directory_ / "root.key").string()});
    issuer_ = "intermediate";
    return pem;
}

void Manufacturer::make_key(const DeviceKey& key) {
    must_run(
        on_token(key.token, key.pin, {"--keypairgen", "--key-type", key.type, "--id", key.id, "--label", "born with"}));
}

std::filesystem::path Manufacturer::certify(const DeviceKey& key, int days) {
    const std::string der = (directory_ / "device.pub").string();
    const std::string spki = (directory_ / "device.spki").string();
    must_run(on_token(key.token, key.pin, {"--read-object", "--type", "pubkey", "--id", key.id, "--output-file", der}));
    must_run({"openssl", "pkey", "-pubin", "-inform", "DER", "-in", der, "-pubout", "-out", spki});
    return certify_public_key(spki, days);
}

std::filesystem::path Manufacturer::certify_public_key(const std::filesystem::path& spki, int days) {
    const std::string number = std::to_string(serial_++);
    const std::filesystem::path pem = directory_ / ("device-" + number + ".pem");
    must_run({"openssl", "x509", "-new", "-subj", "/serialNumber=SN-" + number + "/O=Maker", "-force_pubkey",
              spki.string(), "-CA", (directory_ / (issuer_ + ".pem")).string(), "-CAkey",
              (directory_ / (issuer_ + ".key")).string(), "-set_serial", "100" + number, "-days", std::to_string(days),
              "-out", pem.string()});
    return pem;
}

std::string Manufacturer::public_key(const DeviceKey& key) {
    const RunResult read = run(on_token(key.token, key.pin, {"--read-object", "--type", "pubkey", "--id", key.id}));
    return read.exit_code == 0 ? read.out : std::string();
}

int Manufacturer::private_keys(const std::string& token, const std::string& pin) {
    const std::string listed = must_run(on_token(token, pin, {"--list-objects", "--type", "privkey"}));
    int count = 0;
    const std::string wanted = "Private Key Object";
    for (std::size_t at = listed.find(wanted); at != std::string::npos; at = listed.find(wanted, at + 1)) {
        ++count;
    }
    return count;
}

}  // namespace hwenroll::test
