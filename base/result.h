// How every module reports failure: a value or an Error, never an exception across a module's border.
#pragma once

#include <utility>

#include <tl/expected.hpp>

#include "base/error.h"

namespace hwenroll {

/// A value of type T, or the Error that says why there is none. std::expected takes its place once the compilers have
/// it.
template <class T>
using Result = tl::expected<T, Error>;

/// The outcome of something that yields no value.
using Status = Result<void>;

/// Wraps an Error so that it converts to any Result. Takes ownership.
inline tl::unexpected<Error> fail(Error error) {
    return tl::unexpected<Error>(std::move(error));
}

/// Wraps a new Error: see Error for the meaning of the parts.
inline tl::unexpected<Error> fail(ErrorCode code, std::string what, std::string why = {}, std::string next = {}) {
    return fail(Error(code, std::move(what), std::move(why), std::move(next)));
}

}  // namespace hwenroll
