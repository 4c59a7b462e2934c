#include "keystore/worker/worker_token.h"

#include <utility>

#include <fmt/format.h>

namespace hwenroll::keystore {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int most_ends_in_a_row = 3;

/// The alternative that answers a request, the Error that the worker answered, or one for a body of another kind.
template <class T>
Result<T> expect(ResponseBody body, const std::string& token) {
    if (auto* value = std::get_if<T>(&body)) {
        return std::move(*value);
    }
    if (auto* error = std::get_if<Error>(&body)) {
        return fail(std::move(*error));
    }
    return fail(ErrorCode::token_protocol, fmt::format("the worker of {} answered another question", token));
}

/// A call that uses a key shows that the module works; describe() and login() succeed before every crash of a sign.
bool shows_health(const RequestBody& body) {
    return !std::holds_alternative<ConfigureRequest>(body) && !std::holds_alternative<DescribeRequest>(body) &&
           !std::holds_alternative<PrepareLoginRequest>(body) && !std::holds_alternative<LoginRequest>(body) &&
           !std::holds_alternative<SettleLoginRequest>(body);
}

/// A token that went away needs a fresh C_Initialize before it is seen again, and a new login (T1, T5, T8, T13).
bool ends_login(ErrorCode code) {
    return code == ErrorCode::token_absent || code == ErrorCode::token_login_lost;
}

/// Of a key operation: the login that the key wants for each use was judged, and the PIN found wrong (T14).
bool is_refusal(ErrorCode code) {
    return code == ErrorCode::token_pin || code == ErrorCode::token_pin_locked;
}

}  // namespace

WorkerToken::WorkerToken(WorkerProgram program, TokenOptions options)
    : program_(std::move(program)),
      options_(std::move(options)),
      deadlines_(deadlines_of(options_)),
      name_(fmt::format("token '{}'", keystore::name_of(options_))) {}

Result<TokenDescription> WorkerToken::describe() {
    return call<TokenDescription>(DescribeRequest{}, Need::worker, deadlines_.use, "describing itself");
}

Result<LoginPreparation> WorkerToken::prepare_login() {
    const std::lock_guard lock(mutex_);
    const Deadline deadline = steady_clock::now() + deadlines_.login;
    if (!fresh_) {
        drop_worker();
    }
    if (auto ready = ensure_worker(deadline); !ready) {
        return fail(std::move(ready.error()));
    }
    auto preparation = ask<LoginPreparation>(PrepareLoginRequest{}, deadline, "preparing a login");
    prepared_ = preparation.has_value();
    return preparation;
}

LoginOutcome WorkerToken::login(const LoginHistory& history) {
    const std::lock_guard lock(mutex_);
    if (logged_in_) {
        return {LoginOutcome::Result::accepted, std::nullopt, std::nullopt};
    }
    if (!std::exchange(prepared_, false)) {
        return {LoginOutcome::Result::not_tried, std::nullopt,
                Error(ErrorCode::token_operation, fmt::format("{} cannot log in", name_),
                      "its worker holds no prepared login")};
    }
    {
        const std::lock_guard state(kill_mutex_);
        if (interrupted_) {
            return {LoginOutcome::Result::not_tried, std::nullopt,
                    Error(ErrorCode::token_worker, fmt::format("{} cannot log in", name_), "the agent is stopping")};
        }
        logging_in_ = true;
    }
    const Deadline deadline = steady_clock::now() + deadlines_.login;
    auto outcome = ask<LoginOutcome>(LoginRequest{history}, deadline, "logging in");
    {
        const std::lock_guard state(kill_mutex_);
        logging_in_ = false;
    }
    login_ended_.notify_all();
    if (!outcome) {
        return {LoginOutcome::Result::unknown, std::nullopt, std::move(outcome.error())};
    }
    logged_in_ = outcome->result == LoginOutcome::Result::accepted;
    use_refused_ = use_refused_ && !logged_in_;
    return std::move(*outcome);
}

Result<bool> WorkerToken::settle_login() {
    const auto settled =
        call<LoginSettlement>(SettleLoginRequest{}, Need::login, deadlines_.use, "looking at its keys");
    return settled ? Result<bool>(settled->login_per_use) : fail(settled.error());
}

Result<std::vector<KeyDescription>> WorkerToken::list_keys() {
    return call<std::vector<KeyDescription>>(ListKeysRequest{}, Need::login, deadlines_.use, "listing its keys");
}

Result<KeyDescription> WorkerToken::generate(KeySpec spec, const KeyId& id, const std::string& label) {
    return call<KeyDescription>(GenerateRequest{spec, id, label}, Need::login, deadlines_.generate, "generating a key");
}

Result<std::optional<KeyDescription>> WorkerToken::find(const KeyId& id) {
    return call<std::optional<KeyDescription>>(FindRequest{id}, Need::login, deadlines_.use, "looking for a key");
}

Result<KeyDescription> WorkerToken::look_up(const KeyReference& key) {
    return call<KeyDescription>(LookUpRequest{key}, Need::login, deadlines_.use, "looking for a key");
}

Result<Bytes> WorkerToken::sign(const KeyReference& key, SignMechanism mechanism, ByteView input) {
    return call<Bytes>(SignRequest{key, mechanism, to_bytes(input)}, Need::login, deadlines_.use, "signing");
}

Result<Secret> WorkerToken::decrypt(const KeyReference& key, DecryptMechanism mechanism, ByteView ciphertext) {
    return call<Secret>(DecryptRequest{key, mechanism, to_bytes(ciphertext)}, Need::login, deadlines_.use,
                        "decrypting");
}

Result<Secret> WorkerToken::agree(const KeyReference& key, const PublicKey& peer) {
    return call<Secret>(AgreeRequest{key, peer}, Need::login, deadlines_.use, "agreeing on a secret");
}

Result<KeyEvidence> WorkerToken::certify(const KeyReference& key, ByteView nonce) {
    return call<KeyEvidence>(CertifyRequest{key, to_bytes(nonce)}, Need::login, deadlines_.use, "certifying a key");
}

Status WorkerToken::destroy(const KeyId& id) {
    auto done = call<Done>(DestroyRequest{id}, Need::login, deadlines_.use, "destroying a key");
    return done ? Status() : fail(std::move(done.error()));
}

template <class T>
Result<T> WorkerToken::call(RequestBody body, Need need, milliseconds limit, const char* doing) {
    const std::lock_guard lock(mutex_);
    const Deadline deadline = steady_clock::now() + limit;
    if (auto ready = need == Need::login && !logged_in_ && ends_in_a_row_ < most_ends_in_a_row
                         ? Status(fail(ErrorCode::token_operation, fmt::format("{} is not logged in", name_),
                                       fmt::format("needed for {}", doing)))
                         : ensure_worker(deadline);
        !ready) {
        return fail(std::move(ready.error()));
    }
    return ask<T>(std::move(body), deadline, doing);
}

/// An answer of the wrong kind ends the worker, and counts, as its death does.
template <class T>
Result<T> WorkerToken::ask(RequestBody body, Deadline deadline, const char* doing) {
    const bool healthy = shows_health(body);
    fresh_ = std::holds_alternative<ConfigureRequest>(body);
    auto answer = worker_->exchange(std::move(body), deadline, {name_, doing});
    if (!answer || (!std::holds_alternative<T>(*answer) && !std::holds_alternative<Error>(*answer))) {
        count_end();
        drop_worker();
    }
    if (!answer) {
        return fail(std::move(answer.error()));
    }
    auto value = expect<T>(std::move(*answer), name_);
    if (value && healthy) {
        ends_in_a_row_ = 0;
        exhausted_ = false;
    }
    if (!value && healthy && is_refusal(value.error().code())) {
        use_refused_ = true;
        drop_worker();
    }
    if (!value && ends_login(value.error().code())) {
        drop_worker();
    }
    return value;
}

/// Looked for each time, so that a socket that is enabled later is used without a restart of the agent.
Result<std::unique_ptr<WorkerProcess>> WorkerToken::make_worker() const {
    if (!program_.services.empty()) {
        const std::filesystem::path socket = program_.services / keystore::name_of(options_);
        std::error_code missing;
        if (std::filesystem::is_socket(socket, missing)) {
            return WorkerProcess::connect(socket, name_);
        }
    }
    return WorkerProcess::start(program_, name_);
}

Status WorkerToken::ensure_worker(Deadline deadline) {
    {
        const std::lock_guard state(kill_mutex_);
        if (interrupted_) {
            return fail(ErrorCode::token_worker, fmt::format("{} is not used any more", name_),
                        "the agent is stopping");
        }
    }
    if (worker_) {
        return {};
    }
    if (ends_in_a_row_ >= most_ends_in_a_row) {
        return fail(ErrorCode::token_worker,
                    fmt::format("the worker of {} ended {} times in a row", name_, ends_in_a_row_),
                    "no further one is started now");
    }
    auto started = make_worker();
    if (!started) {
        count_end();
        return fail(std::move(started.error()));
    }
    worker_ = std::move(*started);
    pid_ = worker_->pid();
    {
        const std::lock_guard state(kill_mutex_);
        kill_switch_ = worker_->kill_switch();
        if (interrupted_) {
            kill_switch_.use();
        }
    }
    if (auto configured = ask<Done>(ConfigureRequest{options_}, deadline, "starting"); !configured) {
        drop_worker();
        return fail(std::move(configured.error()));
    }
    return {};
}

void WorkerToken::abandon_login() {
    const std::lock_guard lock(mutex_);
    drop_worker();
}

void WorkerToken::notice_end() {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock && worker_ && worker_->has_ended()) {
        logged_in_ = false;
    }
}

void WorkerToken::count_end() {
    exhausted_ = ++ends_in_a_row_ >= most_ends_in_a_row;
}

void WorkerToken::interrupt(steady_clock::time_point login_deadline) {
    std::unique_lock state(kill_mutex_);
    interrupted_ = true;
    login_ended_.wait_until(state, login_deadline, [this] { return !logging_in_; });
    kill_switch_.use();
}

void WorkerToken::drop_worker() {
    {
        const std::lock_guard state(kill_mutex_);
        kill_switch_.reset();
    }
    worker_.reset();
    pid_ = -1;
    logged_in_ = false;
    fresh_ = false;
    prepared_ = false;
}

Result<std::vector<TokenDescription>> list_tokens(const WorkerProgram& program, const std::string& module, bool network,
                                                  milliseconds deadline) {
    const std::string name = fmt::format("module '{}'", module);
    const Deadline until = steady_clock::now() + deadline;
    auto worker = WorkerProcess::start(program, name);
    if (!worker) {
        return fail(std::move(worker.error()));
    }
    auto answer = (*worker)->exchange(ListTokensRequest{module, network}, until, {name, "listing its tokens"});
    if (!answer) {
        return fail(std::move(answer.error()));
    }
    return expect<std::vector<TokenDescription>>(std::move(*answer), name);
}

}  // namespace hwenroll::keystore
