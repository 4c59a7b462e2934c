// A token that is reached through its own worker process.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "keystore/worker/worker_process.h"

namespace hwenroll::keystore {

/// The Token interface across a connection to hwenroll-token: the token's service where its socket is there, else a
/// child (WorkerProgram::services). The worker is started by the first call that needs it.
/// Every call ends within its class's deadline (TokenDeadlines: login; generate; use for all others) plus 0.2 s, start
/// of the worker included; ending a worker that is to be replaced, or that does not even end when it is killed, takes
/// up to 2.5 s more. A late worker is killed (token_deadline), one that ended by itself is reaped (token_worker, naming
/// the signal), and the next describe() or login() starts a new one (T2, T3). A late service is left (token_deadline);
/// it ends itself, and the next connection waits until it has.
///
/// It never logs in by itself: after a restart, calls that need a login fail with token_operation "not logged in" until
/// the caller, who knows the PIN rules, calls prepare_login() and login(). Each such pair has a worker of its own:
/// prepare_login() replaces one that has done anything before. A worker whose token or login is gone (token_absent,
/// token_login_lost, or a use's login was refused) is ended, so that logged_in() tells what the next use needs.
///
/// A worker that ended three times in a row without a successful key operation between makes every further call fail
/// at once (token_worker); the owner makes a new WorkerToken when its own backoff allows another try.
///
/// Thread-safe: one mutex around each whole call.
class WorkerToken final : public Token {
 public:
    WorkerToken(WorkerProgram program, TokenOptions options);
    ~WorkerToken() override = default;

    Result<TokenDescription> describe() override;
    Result<LoginPreparation> prepare_login() override;
    LoginOutcome login(const LoginHistory& history) override;
    Result<bool> settle_login() override;
    Result<std::vector<KeyDescription>> list_keys() override;
    Result<KeyDescription> generate(KeySpec spec, const KeyId& id, const std::string& label) override;
    Result<std::optional<KeyDescription>> find(const KeyId& id) override;
    Result<KeyDescription> look_up(const KeyReference& key) override;
    Result<Bytes> sign(const KeyReference& key, SignMechanism mechanism, ByteView input) override;
    Result<Secret> decrypt(const KeyReference& key, DecryptMechanism mechanism, ByteView ciphertext) override;
    Result<Secret> agree(const KeyReference& key, const PublicKey& peer) override;
    Result<KeyEvidence> certify(const KeyReference& key, ByteView nonce) override;
    Status destroy(const KeyId& id) override;

    /// Ends the worker, and with it a PIN that prepare_login() has read, when no login() is to follow.
    void abandon_login();

    /// Ends the worker and lets every call fail from now on (token_worker): the process is about to end. A login under
    /// way may end by itself until `login_deadline`, since its outcome would be unknown otherwise; this waits for that.
    /// Does not wait for another running call, which ends soon afterwards.
    void interrupt(std::chrono::steady_clock::time_point login_deadline);

    /// The worker has ended too often in a row: no call starts another one.
    [[nodiscard]] bool exhausted() const { return exhausted_; }

    /// Looks whether the worker has ended between two calls, as by a restart of its service: then it is not logged in,
    /// and the next prepare_login() replaces it. Does not wait: a running call finds out by itself.
    void notice_end();

    /// A login succeeded in the worker that runs now. Does not wait for a running call.
    [[nodiscard]] bool logged_in() const { return logged_in_; }

    /// The token refused the PIN of a use's login, and no login was made since.
    [[nodiscard]] bool use_refused() const { return use_refused_; }

    /// Process id of the worker; -1 when none runs, or a service, which is systemd's. Does not wait for a running call.
    [[nodiscard]] pid_t worker_pid() const { return pid_; }

 private:
    enum class Need : std::uint8_t { worker, login };

    /// One exchange; `T` is the body that answers it.
    template <class T>
    Result<T> call(RequestBody body, Need need, std::chrono::milliseconds limit, const char* doing);
    template <class T>
    Result<T> ask(RequestBody body, Deadline deadline, const char* doing);
    [[nodiscard]] Result<std::unique_ptr<WorkerProcess>> make_worker() const;
    Status ensure_worker(Deadline deadline);
    void drop_worker();
    void count_end();

    const WorkerProgram program_;
    const TokenOptions options_;
    const TokenDeadlines deadlines_;
    const std::string name_;  ///< "token 'lab'"
    std::mutex mutex_;
    std::unique_ptr<WorkerProcess> worker_;
    int ends_in_a_row_ = 0;
    bool fresh_ = false;     ///< the worker that runs now has served nothing but its ConfigureRequest
    bool prepared_ = false;  ///< it holds what prepare_login() made ready
    std::atomic<bool> logged_in_ = false;
    std::atomic<bool> exhausted_ = false;
    std::atomic<bool> use_refused_ = false;
    std::atomic<pid_t> pid_ = -1;
    std::mutex kill_mutex_;  ///< never held during a call
    std::condition_variable login_ended_;
    KillSwitch kill_switch_;  ///< of the worker that runs now
    bool logging_in_ = false;
    bool interrupted_ = false;
};

/// Every token that the PKCS#11 module at the path `module` offers, asked in a worker of its own, which may use the
/// network if `network` says so. Blocks up to `deadline`. Error codes: token_module, token_worker, token_deadline,
/// token_protocol, token_operation.
Result<std::vector<TokenDescription>> list_tokens(const WorkerProgram& program, const std::string& module, bool network,
                                                  std::chrono::milliseconds deadline);

}  // namespace hwenroll::keystore
