#include "agent/runtime/command_output.h"

#include <utility>

#include "agent/runtime/command.h"
#include "agent/runtime/event_loop.h"

namespace hwenroll::runtime {

namespace {

struct Output {
    std::string text;
    bool ended = false;  ///< a signal asked this process to end
};

Output run(const std::vector<std::string>& arguments, std::chrono::milliseconds time) {
    EventLoop* stopping = nullptr;
    bool ended = false;
    auto loop = EventLoop::make([&] {
        ended = true;
        stopping->stop();
    });
    if (!loop) {
        return {"(" + loop.error().line() + ")\n"};
    }
    stopping = loop->get();
    CommandOutcome outcome;
    const auto command =
        Command::start(**loop, {arguments, {"LC_ALL=C"}, time, std::chrono::seconds(1)}, [&](CommandOutcome done) {
            outcome = std::move(done);
            stopping->stop();
        });
    if (const Status ran = (*loop)->run(); !ran) {
        return {"(" + ran.error().line() + ")\n", ended};
    }
    std::string text = outcome.output;
    if (outcome.output_cut) {
        text += "\n(cut here)\n";
    }
    return {outcome.succeeded() ? text : text + "(" + arguments.front() + " " + outcome.text() + ")\n", ended};
}

}  // namespace

std::string output_of(const std::vector<std::string>& arguments, std::chrono::milliseconds time) {
    return run(arguments, time).text;
}

Result<std::string> output_unless_ended(const std::vector<std::string>& arguments, std::chrono::milliseconds time) {
    Output output = run(arguments, time);
    if (output.ended) {
        return fail(ErrorCode::interrupted, "a signal came while " + arguments.front() + " was asked");
    }
    return std::move(output.text);
}

}  // namespace hwenroll::runtime
