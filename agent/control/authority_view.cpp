#include "agent/control/authority_view.h"

namespace hwenroll::control {
namespace {

using lifecycle::AuthorityPhase;
using lifecycle::AuthorityState;

std::string word_of(const AuthorityState& state) {
    if (state.candidate && state.phase != AuthorityPhase::next_known) {
        return "next-unaccepted";
    }
    switch (state.phase) {
        case AuthorityPhase::untrusted:
            return "untrusted";
        case AuthorityPhase::next_known:
            return "next-known";
        case AuthorityPhase::switched:
            return "switched";
        case AuthorityPhase::trusted:
            break;
    }
    return "trusted";
}

}  // namespace

AuthorityView view_of(const std::string& name, const AuthorityState& state) {
    AuthorityView view;
    view.name = name;
    view.state = word_of(state);
    if (state.current) {
        view.not_after = state.current->not_after;
    }
    if (const auto& successor = state.next ? state.next : state.candidate) {
        view.next_not_before = successor->not_before;
        view.next_not_after = successor->not_after;
    }
    if (state.failure) {
        view.failure = state.failure->line;
    }
    return view;
}

}  // namespace hwenroll::control
