// What the layers between libcrypto and a token add to one use of a key, on SoftHSM2.
#include <algorithm>
#include <array>
#include <dlfcn.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <openssl/evp.h>
#include <p11-kit/pkcs11.h>

#include "base/file_descriptor.h"
#include "keystore/openssl/key_provider.h"
#include "keystore/pkcs11/pkcs11_token.h"
#include "keystore/worker/worker_token.h"
#include "tests/bench/measurement.h"
#include "tests/bench/table.h"
#include "tests/keystore/try_login.h"
#include "tests/support/softhsm.h"
#include "tests/support/test_paths.h"

namespace hwenroll::bench {
namespace {

using namespace keystore;  // NOLINT(google-build-using-namespace): what is measured

constexpr std::size_t signed_attributes = 300;  // octets, as in a PKCSReq
const std::string label = "lab";
const std::string pin = "1234";

template <class T>
T must(Result<T> result) {
    if (!result) {
        throw std::runtime_error(result.error().line());
    }
    return *std::move(result);
}

void must(CK_RV rv, const char* call) {
    if (rv != CKR_OK) {
        throw std::runtime_error(fmt::format("{}: {:#x}", call, rv));
    }
}

void log_in(Token& token) {
    const LoginOutcome outcome = try_login(token);
    if (outcome.result != LoginOutcome::Result::accepted) {
        throw std::runtime_error(outcome.error ? outcome.error->line() : "the login was not accepted");
    }
}

/// SHA-256 of nothing in particular as DigestInfo (RFC 8017 §9.2).
Bytes digest_info() {
    constexpr std::array<std::uint8_t, 19> head{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                                0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    Bytes info(head.size() + 32, 0xA5);
    std::copy(head.begin(), head.end(), info.begin());
    return info;
}

/// Cryptoki as the module itself exports it. The module is initialised and logged in by a Pkcs11Token beside it.
class RawModule {
 public:
    explicit RawModule(const std::string& path) {
        void* const loaded = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
        void* const symbol = loaded == nullptr ? nullptr : dlsym(loaded, "C_GetFunctionList");
        if (symbol == nullptr) {
            throw std::runtime_error("cannot load " + path);
        }
        must(reinterpret_cast<CK_C_GetFunctionList>(symbol)(&functions_), "C_GetFunctionList");
        std::array<CK_SLOT_ID, 8> slots{};
        CK_ULONG count = slots.size();
        must(functions_->C_GetSlotList(CK_TRUE, slots.data(), &count), "C_GetSlotList");
        must(functions_->C_OpenSession(slots[0], CKF_SERIAL_SESSION, nullptr, nullptr, &session_), "C_OpenSession");
    }

    Bytes sign(CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE type, Bytes& input) {
        CK_MECHANISM mechanism{type, nullptr, 0};
        must(functions_->C_SignInit(session_, &mechanism, key), "C_SignInit");
        Bytes signature(256);
        CK_ULONG size = signature.size();
        must(functions_->C_Sign(session_, input.data(), input.size(), signature.data(), &size), "C_Sign");
        signature.resize(size);
        return signature;
    }

    CK_OBJECT_HANDLE find(const KeyId& id) {
        CK_OBJECT_HANDLE key = 0;
        CK_OBJECT_CLASS kind = CKO_PRIVATE_KEY;
        Bytes value = id.value;
        std::array<CK_ATTRIBUTE, 2> search{
            {{CKA_CLASS, &kind, sizeof kind}, {CKA_ID, value.data(), CK_ULONG{value.size()}}}};
        CK_ULONG count = 0;
        must(functions_->C_FindObjectsInit(session_, search.data(), search.size()), "C_FindObjectsInit");
        must(functions_->C_FindObjects(session_, &key, 1, &count), "C_FindObjects");
        must(functions_->C_FindObjectsFinal(session_), "C_FindObjectsFinal");
        if (count != 1) {
            throw std::runtime_error("the module does not show the key");
        }
        return key;
    }

 private:
    CK_FUNCTION_LIST* functions_ = nullptr;
    CK_SESSION_HANDLE session_ = 0;
};

/// Hash, sign and encode as X509_REQ_sign and CMS_sign do for each signature.
void evp_sign(EVP_PKEY* key, const Bytes& data) {
    const OpenSslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
    std::array<unsigned char, 512> signature{};
    std::size_t size = signature.size();
    if (EVP_DigestSignInit_ex(context.get(), nullptr, "SHA256", nullptr, nullptr, key, nullptr) != 1 ||
        EVP_DigestSign(context.get(), signature.data(), &size, data.data(), data.size()) != 1) {
        throw std::runtime_error("EVP_DigestSign: " + take_openssl_errors());
    }
}

Pkcs11Options options_of(test::SoftHsm& hsm) {
    Pkcs11Options options;
    options.name = label;
    options.module = test::SoftHsm::module();
    options.uri = test::SoftHsm::token_uri(label);
    options.pin = hsm.pin_file(pin);
    return options;
}

/// The same key behind every layer. The workers are started last: SoftHSM2 reads new objects when it is asked.
struct Stack {
    Stack() {
        hsm.init_token(label, "87654321", pin);
        options = options_of(hsm);
        in_process = std::make_shared<Pkcs11Token>(options, must(PinSource::parse(options.pin)));
        log_in(*in_process);
        rsa = must(in_process->generate(KeySpec::rsa_2048, {Bytes(16, 0x01)}, "rsa")).key;
        ec = must(in_process->generate(KeySpec::ec_p256, {Bytes(16, 0x02)}, "ec")).key;
        worker = std::make_shared<WorkerToken>(WorkerProgram{test::program("hwenroll-token"), {}}, options);
        log_in(*worker);
        echo = std::make_shared<WorkerToken>(WorkerProgram{test::program("bench_echo_worker"), {}}, options);
        log_in(*echo);
    }

    test::SoftHsm hsm;
    Pkcs11Options options;
    std::shared_ptr<Token> in_process;
    std::optional<KeyReference> rsa;
    std::optional<KeyReference> ec;
    std::shared_ptr<Token> worker;
    std::shared_ptr<Token> echo;
};

/// What the machine itself takes for a request of a signature's size and its answer between two processes: the floor
/// below every worker.
class BareRoundTrip {
 public:
    BareRoundTrip() {
        std::array<int, 2> ends{-1, -1};
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
            throw std::runtime_error("no socketpair");
        }
        ours_ = FileDescriptor(ends[0]);
        const FileDescriptor theirs(ends[1]);
        child_ = fork();
        if (child_ == 0) {
            ours_.reset();
            while (recv(theirs.get(), packet_.data(), packet_.size(), 0) > 0) {
                send(theirs.get(), packet_.data(), packet_.size(), MSG_NOSIGNAL);
            }
            _exit(0);
        }
    }
    BareRoundTrip(const BareRoundTrip&) = delete;
    BareRoundTrip& operator=(const BareRoundTrip&) = delete;
    ~BareRoundTrip() {
        ours_.reset();
        waitpid(child_, nullptr, 0);
    }

    void go() {
        if (send(ours_.get(), packet_.data(), packet_.size(), MSG_NOSIGNAL) < 0 ||
            recv(ours_.get(), packet_.data(), packet_.size(), 0) <= 0) {
            throw std::runtime_error("the bare round trip ended");
        }
    }

 private:
    std::array<char, signed_attributes> packet_{};
    FileDescriptor ours_;
    pid_t child_ = -1;
};

std::string us(double value) {
    return fmt::format("{:.1f}", value);
}

/// One operation above another one that it contains.
struct Comparison {
    std::string name;
    std::string base;
    enum class Goal : std::uint8_t { none, ten_percent, fifty_us } goal = Goal::none;
};

/// CPU of this thread where all the work is done on it, else wall time.
const std::vector<double>& times(const Samples& samples, bool wall) {
    return wall ? samples.wall : samples.cpu;
}

void add_row(Table& table, const std::map<std::string, Samples>& samples, const Comparison& row, bool wall) {
    const auto& own = times(samples.at(row.name), wall);
    const double base = row.base.empty() ? 0 : median(times(samples.at(row.base), wall));
    const double more = median(own) - base;
    const double percent = base > 0 ? more / base * 100 : 0;
    std::string goal = "-";
    if (row.goal == Comparison::Goal::ten_percent) {
        goal = judged("≤ 10 %", percent <= 10);
    } else if (row.goal == Comparison::Goal::fifty_us) {
        goal = judged("≤ 50 µs", more <= 50);
    }
    table.add({row.name, us(median(own)), us(quantile(own, 0.25)) + "–" + us(quantile(own, 0.75)),
               row.base.empty() ? "-" : row.base,
               row.base.empty() ? "-" : fmt::format("{:+.1f} µs ({:+.1f} %)", more, percent), goal});
}

void measure(const Options& options) {
    BareRoundTrip bare;  // forks, so before there are threads
    Stack stack;
    RawModule raw(stack.options.module);
    const CK_OBJECT_HANDLE raw_rsa_key = raw.find(stack.rsa->id);
    const CK_OBJECT_HANDLE raw_ec_key = raw.find(stack.ec->id);
    Bytes rsa_input = digest_info();
    Bytes ec_input(32, 0xA5);
    const auto rsa_key = must(to_evp_pkey(stack.in_process, *stack.rsa));
    const auto ec_key = must(to_evp_pkey(stack.in_process, *stack.ec));
    const Bytes data(signed_attributes, 0x5A);
    const auto sign_rsa = [&](Token& token) { must(token.sign(*stack.rsa, SignMechanism::rsa_pkcs1, rsa_input)); };
    const auto sign_ec = [&](Token& token) { must(token.sign(*stack.ec, SignMechanism::ecdsa, ec_input)); };

    Measurement measurement(options);
    measurement.add("RSA-2048, C_SignInit and C_Sign", [&] { raw.sign(raw_rsa_key, CKM_RSA_PKCS, rsa_input); });
    measurement.add("RSA-2048, Pkcs11Token::sign", [&] { sign_rsa(*stack.in_process); });
    measurement.add("RSA-2048, EVP_DigestSign through the provider", [&] { evp_sign(rsa_key.get(), data); });
    measurement.add("RSA-2048, WorkerToken::sign", [&] { sign_rsa(*stack.worker); });
    measurement.add("EC P-256, C_SignInit and C_Sign", [&] { raw.sign(raw_ec_key, CKM_ECDSA, ec_input); });
    measurement.add("EC P-256, Pkcs11Token::sign", [&] { sign_ec(*stack.in_process); });
    measurement.add("EC P-256, EVP_DigestSign through the provider", [&] { evp_sign(ec_key.get(), data); });
    measurement.add("EC P-256, WorkerToken::sign", [&] { sign_ec(*stack.worker); });
    measurement.add("nothing, between two processes", [&] { bare.go(); });
    measurement.add("nothing, through a worker", [&] { sign_rsa(*stack.echo); });
    const auto samples = measurement.run();

    const std::vector<std::string> head{"what", "µs, median", "quartiles", "compared with", "added", "goal"};
    Table provider("Key provider, in one process, µs of CPU", head);
    using Goal = Comparison::Goal;
    const std::string raw_rsa = "RSA-2048, C_SignInit and C_Sign";
    const std::string token_rsa = "RSA-2048, Pkcs11Token::sign";
    const std::string raw_ec = "EC P-256, C_SignInit and C_Sign";
    const std::string token_ec = "EC P-256, Pkcs11Token::sign";
    add_row(provider, samples, {raw_rsa, {}, Goal::none}, false);
    add_row(provider, samples, {token_rsa, raw_rsa, Goal::none}, false);
    add_row(provider, samples, {"RSA-2048, EVP_DigestSign through the provider", raw_rsa, Goal::ten_percent}, false);
    add_row(provider, samples, {raw_ec, {}, Goal::none}, false);
    add_row(provider, samples, {token_ec, raw_ec, Goal::none}, false);
    add_row(provider, samples, {"EC P-256, EVP_DigestSign through the provider", raw_ec, Goal::none}, false);
    provider.print();

    Table worker("Token worker, µs of wall time", head);
    add_row(worker, samples, {"nothing, between two processes", {}, Goal::none}, true);
    add_row(worker, samples, {"nothing, through a worker", {}, Goal::fifty_us}, true);
    add_row(worker, samples, {token_rsa, {}, Goal::none}, true);
    add_row(worker, samples, {"RSA-2048, WorkerToken::sign", token_rsa, Goal::none}, true);
    add_row(worker, samples, {token_ec, {}, Goal::none}, true);
    add_row(worker, samples, {"EC P-256, WorkerToken::sign", token_ec, Goal::fifty_us}, true);
    worker.print();
}

}  // namespace
}  // namespace hwenroll::bench

int main(int argc, char** argv) {
    return hwenroll::bench::run_program(argc, argv, hwenroll::bench::measure);
}
