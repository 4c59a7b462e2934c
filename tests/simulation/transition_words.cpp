#include "tests/simulation/transition_words.h"

#include <array>
#include <string_view>

#include <fmt/format.h>

namespace hwenroll::simulation {
namespace {

// In the order of the variants and enumerations of step.h and identity_state.h.
constexpr std::array<std::string_view, std::variant_size_v<lifecycle::Event>> events{"Started",
                                                                                     "Due",
                                                                                     "KeyReady",
                                                                                     "RequestPrepared",
                                                                                     "RecipientChanged",
                                                                                     "CertificateIssued",
                                                                                     "RequestPending",
                                                                                     "RequestRejected",
                                                                                     "AuthorityReconsidered",
                                                                                     "GenerationPublished",
                                                                                     "PublicationFailed",
                                                                                     "EffectFailed",
                                                                                     "Resumed",
                                                                                     "SuccessorSought",
                                                                                     "Delivered",
                                                                                     "KeyDestroyed",
                                                                                     "RenewalWanted",
                                                                                     "EnrollmentWanted",
                                                                                     "Cancelled",
                                                                                     "CertificateRevoked",
                                                                                     "CertificateAdopted",
                                                                                     "PublishedFound"};
constexpr std::array<std::string_view, std::variant_size_v<lifecycle::Effect>> effect_names{
    "MakeKey",           "PrepareRequest", "SendRequest", "SendPoll",   "ReconsiderAuthority",
    "PublishGeneration", "SeekSuccessor",  "Deliver",     "DestroyKey", "RaiseAlert"};
constexpr std::array<std::string_view, 8> phases{"?",       "unenrolled",   "need_key", "need_submit",
                                                 "pending", "need_publish", "valid",    "held"};
constexpr std::array<std::string_view, 5> purposes{"?", "first", "renewal", "shadow", "reenrollment"};

}  // namespace

std::string words_of(const lifecycle::Event& event, const lifecycle::IdentityState& after,
                     const std::vector<lifecycle::Effect>& effects, const std::string& note) {
    std::string line = fmt::format("{} -> {}", events[event.index()],
                                   phases[static_cast<std::size_t>(lifecycle::attempt_phase(after))]);
    if (after.enrollment) {
        line += fmt::format(" ({})", purposes[static_cast<std::size_t>(after.enrollment->purpose)]);
    }
    if (after.wait.reason != lifecycle::WaitingFor::nothing) {
        line += " until " + to_iso8601(after.wait.until);
    }
    if (after.current) {
        line += " valid to " + to_iso8601(after.current->issued.not_after);
    }
    line += after.shadow ? " +shadow" : "";
    line += after.retired.empty() ? std::string() : fmt::format(" retired:{}", after.retired.size());
    for (const lifecycle::Effect& effect : effects) {
        line += fmt::format(" {}", effect_names[effect.index()]);
    }
    return note.empty() ? line : line + " | " + note;
}

}  // namespace hwenroll::simulation
