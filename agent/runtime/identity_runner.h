// Carries out what the machine decides for one identity and tells it how that went.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/lifecycle/step.h"
#include "agent/observe/log.h"
#include "agent/observe/log_ids.h"
#include "agent/observe/progress.h"
#include "agent/publish/publisher.h"
#include "agent/runtime/adoption.h"
#include "agent/runtime/authority_access.h"
#include "agent/runtime/configuration_mark.h"
#include "agent/runtime/delivery_run.h"
#include "agent/runtime/policy.h"
#include "agent/runtime/published_files.h"
#include "agent/runtime/request_jobs.h"
#include "agent/runtime/token_access.h"

namespace hwenroll::runtime {

/// Where the files of an identity go and where its hooks are run.
struct Places {
    std::filesystem::path publish_dir;
    std::filesystem::path runtime_dir;
    friend bool operator==(const Places&, const Places&) = default;
};

/// The tokens that an identity works with; they may be one.
struct Tokens {
    std::shared_ptr<TokenAccess> own;     ///< holds the identity's keys
    std::shared_ptr<TokenAccess> signer;  ///< holds the key of `signer`; nullptr: there is none
    friend bool operator==(const Tokens&, const Tokens&) = default;
};

/// All tokens of the configuration by their names: an old key may be on another one than the identity's.
using TokenDirectory = std::map<std::string, std::shared_ptr<TokenAccess>>;

/// Something that happened to an identity, for those who watch.
struct IdentityNews {
    std::string text;                ///< one printable line
    std::optional<Error> failure;    ///< that it tells of
    bool alert = false;              ///< people are to be told (invariant 11)
    observe::LogRecord record = {};  ///< of an alert or a failure, for the log; of anything else it is written already
};

/// One identity. On the loop's thread; at most one effect is under way, alerts aside.
class IdentityRunner {
 public:
    /// Called each time when no effect is left: the identity is settled until the next event. The error is the one that
    /// a run should end with, nothing when all is well.
    using Settled = std::function<void(const std::optional<Error>&)>;
    using News = std::function<void(const IdentityNews&)>;

    IdentityRunner(const Surroundings& surroundings, observe::Progress& progress, publish::Publisher& publisher,
                   const TokenDirectory& all_tokens, Tokens tokens, std::shared_ptr<AuthorityAccess> authority,
                   http::Client& client, std::shared_ptr<const Places> places, config::IdentitySettings settings);

    /// Reads the stored state, and begins (event Started) in a later turn of the loop: what is published has to be
    /// looked at first, which takes its time where there are thousands of identities.
    void start(Settled settled, News news);

    /// Time has passed, or something that the machine looks at has changed: begins what is due, if nothing is under
    /// way.
    void tick();

    /// An operator's event: taken at once, or when what is under way has ended and there is no impediment().
    void post(lifecycle::Event event);

    /// Takes over a certificate whose key is on the identity's token: `certificates` begin with it, others may lead to
    /// its CA. Looked at once nothing else is under way, and kept only if all of it is good. `done` is told once,
    /// unless the runner ends before: that it is kept, or why it is not. Errors: those of judge_adoption() and
    /// AuthorityAccess::need(), state_database.
    void adopt_certificate(std::vector<Certificate> certificates, control::ControlService::Accepted done);

    /// When tick() has something to do; nothing while an effect is under way.
    [[nodiscard]] std::optional<TimePoint> next_due() const;

    /// Something may have changed that only policy() sees, such as a challenge's file.
    void look_again(TimePoint now) {
        due_.reset();
        // K3: a clock that was ahead does not put the look at the files off.
        begun_ = std::min(begun_, now);
        files_seen_ = std::min(files_seen_, now);
    }

    /// The same without the looks at the published files, which nobody waits for. Worked out once, until something
    /// happens to the identity or look_again().
    [[nodiscard]] std::optional<TimePoint> decision_due() const;

    /// True when it works by these already.
    [[nodiscard]] bool uses(const config::IdentitySettings& settings, const Tokens& tokens,
                            const std::shared_ptr<AuthorityAccess>& authority, const Places& places) const {
        return settings_ == settings && Tokens{token_, signer_token_} == tokens && authority_ == authority &&
               *places_ == places;
    }

    [[nodiscard]] bool busy() const { return busy_; }

    /// Why nothing can be begun: its state, or what is published, cannot be read or told yet; empty: it can.
    [[nodiscard]] std::string impediment() const {
        return loaded_ ? "" : undone_.empty() ? "its state was not read yet" : undone_;
    }
    [[nodiscard]] const std::string& name() const { return settings_.name; }
    [[nodiscard]] const config::IdentitySettings& settings() const { return settings_; }
    [[nodiscard]] const lifecycle::IdentityState& state() const { return state_; }
    [[nodiscard]] lifecycle::Policy policy() const;

    /// The token of its keys.
    [[nodiscard]] const std::shared_ptr<TokenAccess>& token() const { return token_; }

    /// Tells those who watch, and alerts people.
    void alert(const std::string& text) { tell({text, {}, true}, observe::alert_message_id); }

    /// What a run should end with now; nothing when all is well.
    [[nodiscard]] std::optional<Error> outcome() const;

 private:
    void dispatch(const lifecycle::Event& event);
    void failed(const Error& error, bool answered = false);
    void conclude(lifecycle::Event outcome);
    void count(RequestResult result) const;
    void count_answer(const lifecycle::Event& answer) const;
    void settle(const std::optional<Error>& error);
    void undo(const Error& error);
    void undo(const lifecycle::Event& event, const Error& error);
    void say(const std::string& note, std::string_view message_id = {});
    void tell(IdentityNews news, std::string_view message_id);
    void tell_failure();
    [[nodiscard]] bool alert_names_failure(const lifecycle::Transition& transition) const;
    [[nodiscard]] observe::LogRecord record(observe::Level level, std::string text, std::string_view message_id) const;
    void warn(const std::string& warning);
    [[nodiscard]] std::string awaiting_answer() const;
    [[nodiscard]] Status load();
    void begin();
    void begin_with(const std::optional<publish::PublishedState>& published);

    [[nodiscard]] std::optional<Certificate> unknown_successor(const publish::PublishedState& published) const;
    void examine(const Certificate& certificate, const publish::PublishedState& published);
    void judge(const Certificate& certificate, const publish::PublishedState& published,
               const lifecycle::KeyRecord& key);
    void look_elsewhere(const Certificate& certificate, const publish::PublishedState& published);
    void look_on(std::vector<std::shared_ptr<TokenAccess>> places, const Certificate& certificate,
                 const publish::PublishedState& published);
    void look_later();
    void put_off(const Certificate& certificate, const Error& why);

    void begin_adoption();
    void judge_adoption_by(const SharedAuthority& authority);
    void end_adoption(const Error& error);
    void answer_adoption(const Result<control::Acceptance>& answer);

    void run(const lifecycle::MakeKey& effect);
    void run(const lifecycle::PrepareRequest& effect);
    void run(const lifecycle::SendRequest& effect);
    void run(const lifecycle::SendPoll& effect);
    void run(const lifecycle::ReconsiderAuthority& effect);
    void run(const lifecycle::PublishGeneration& effect);
    void run(const lifecycle::SeekSuccessor& effect);
    void run(const lifecycle::Deliver& effect);
    void run(const lifecycle::DestroyKey& effect);
    void run(const lifecycle::RaiseAlert& effect);

    [[nodiscard]] std::optional<std::chrono::seconds> usual_time(keystore::KeySpec spec) const;
    void note_generation(keystore::KeySpec spec, const ReadyKey& ready);
    [[nodiscard]] std::string other_name(const keystore::KeyDescription& key) const;
    void adopt_key(const lifecycle::MakeKey& effect);
    void need_authority(std::function<void(Result<SharedAuthority>)> then);
    void find_manufacturer(const lifecycle::PrepareRequest& effect, const SharedAuthority& authority);
    void prepare(const lifecycle::PrepareRequest& effect, const SharedAuthority& authority,
                 std::optional<Signer> signer);
    void send(scep::MessageType type);
    void sign(scep::MessageType type, const SharedAuthority& authority);
    void exchange(const SharedAuthority& authority, const Bytes& message);
    void warn_of_long_url(const RequestForm& form);
    void judge(const SharedAuthority& authority, const RequestForm& form, http::Response response);
    [[nodiscard]] lifecycle::KeyRecord signer() const;
    [[nodiscard]] KeyPlace key_place() const;
    [[nodiscard]] Result<publish::Generation> generation_to_show(const lifecycle::Credential& credential) const;
    [[nodiscard]] bool is_of_former_token(const publish::PublishedState& published) const;
    void destroy_left_behind(const lifecycle::DestroyKey& effect);
    [[nodiscard]] lifecycle::KeyRecord retired_key(const Bytes& key_id) const;
    void destroyed(const Bytes& key_id, const Status& done);
    Status delete_wrapped(const Bytes& key_id);
    [[nodiscard]] std::optional<TimePoint> files_due() const;
    [[nodiscard]] bool look_at_files();
    [[nodiscard]] TokenAccess& signing_token() const;

    /// Marks of the configuration in force, kept because they are hashes over much text.
    struct KnownMarks {
        std::uint64_t revision = 0;        ///< of the CA's settings
        std::array<FileFacts, 3> files{};  ///< the challenge's, the signer's certificate's and chain's
        std::array<std::array<std::uint8_t, 32>, 5> marks{};  ///< in the order of PolicyMarks
    };
    [[nodiscard]] PolicyMarks marks() const;
    [[nodiscard]] IdentitySections sections() const;

    Surroundings at_;
    http::Client& client_;
    observe::Progress& progress_;
    publish::Publisher& publisher_;
    const TokenDirectory& all_tokens_;
    std::shared_ptr<TokenAccess> destroying_on_;  ///< while a key is destroyed there
    std::shared_ptr<TokenAccess> token_;
    std::shared_ptr<TokenAccess> signer_token_;
    std::shared_ptr<AuthorityAccess> authority_;
    std::shared_ptr<const Places> places_;
    config::IdentitySettings settings_;
    lifecycle::IdentityState state_;
    bool loaded_ = false;  ///< before that `state_` says nothing, and nothing is decided
    TimePoint load_again_;
    TimePoint begun_;
    std::string unseen_;    ///< why they could not be looked at, said once for each cause
    TimePoint files_seen_;  ///< when the published files were last looked at; the epoch: not yet
    bool busy_ = false;
    mutable std::optional<KnownMarks> marks_;
    mutable std::optional<std::optional<TimePoint>> due_;
    std::vector<lifecycle::Event> posted_;
    /// A certificate that is to be adopted, and who waits for that.
    struct WantedAdoption {
        std::vector<Certificate> certificates;
        control::ControlService::Accepted done;
        bool begun = false;
    };
    lifecycle::Rare<WantedAdoption> adoption_;
    std::optional<TimePoint> put_off_told_;
    std::string undone_;  ///< why the last decision could not be kept; empty once one was
    lifecycle::Rare<Error> error_;
    /// A failure that is told once what it leads to is decided: when it is tried again belongs to the record.
    struct UntoldFailure {
        Error error;
        std::string_view message_id;
    };
    lifecycle::Rare<UntoldFailure> untold_;
    lifecycle::Rare<scep::TransactionId> ended_;  ///< by the event that is being dispatched
    std::unique_ptr<DeliveryRun> delivery_;
    Settled settled_;
    News news_;
};

}  // namespace hwenroll::runtime
