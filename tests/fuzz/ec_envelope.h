// What the targets of an EC key's envelopes have in common: the rules for what was opened, and the parts of an input.
#pragma once

#include <optional>
#include <span>

#include "transport/scep/cert_rep.h"

namespace hwenroll::fuzz {

/// The content of `envelope`, which opened, after the rules that hold for every one. `with_password`: it opened by the
/// challenge, not by the client's key.
Secret checked_content(scep::OpenedEnvelope opened, ByteView envelope, bool with_password);

/// Requires that `content` of one of envelope_for() is what was sealed, if it opened.
void require_what_was_sealed(const std::optional<Secret>& content);

/// What an input may become.
using Part = void (*)(ByteView rest);

/// Gives the input behind its first octet to the part that this octet says; an empty input to none. Returns 0, as
/// libFuzzer wants it.
int choose_part(ByteView input, std::span<const Part> parts);

}  // namespace hwenroll::fuzz
