// What a child process saw, by value through a pipe: its namespaces, threads and sockets end with it.
#pragma once

#include <array>
#include <sys/wait.h>
#include <type_traits>
#include <unistd.h>

#include <gtest/gtest.h>

namespace hwenroll::test {

/// Runs `observe` in a child and returns what it returned; a value-initialised one, with a failure recorded, when the
/// child ends before that.
template <class Observe>
auto seen_by_a_child(Observe observe) {
    using Observation = std::invoke_result_t<Observe>;
    static_assert(std::is_trivially_copyable_v<Observation>);
    Observation seen{};
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) {
        ADD_FAILURE() << "no pipe";
        return seen;
    }
    const pid_t child = ::fork();
    if (child == 0) {
        const Observation made = observe();
        ::_exit(::write(ends[1], &made, sizeof made) == sizeof made ? 0 : 1);
    }
    ::close(ends[1]);
    if (::read(ends[0], &seen, sizeof seen) != sizeof seen) {
        ADD_FAILURE() << "the child saw nothing";
    }
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
    return seen;
}

}  // namespace hwenroll::test
