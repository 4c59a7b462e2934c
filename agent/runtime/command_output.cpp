#include "agent/runtime/command_output.h"

#include <utility>

#include "agent/runtime/command.h"
#include "agent/runtime/event_loop.h"

namespace hwenroll::runtime {

std::string output_of(const std::vector<std::string>& arguments, std::chrono::milliseconds time) {
    EventLoop* stopping = nullptr;
    auto loop = EventLoop::make([&] { stopping->stop(); });
    if (!loop) {
        return "(" + loop.error().line() + ")\n";
    }
    stopping = loop->get();
    CommandOutcome outcome;
    const auto command =
        Command::start(**loop, {arguments, {"LC_ALL=C"}, time, std::chrono::seconds(1)}, [&](CommandOutcome done) {
            outcome = std::move(done);
            stopping->stop();
        });
    if (const Status ran = (*loop)->run(); !ran) {
        return "(" + ran.error().line() + ")\n";
    }
    std::string text = outcome.output;
    if (outcome.output_cut) {
        text += "\n(cut here)\n";
    }
    return outcome.succeeded() ? text : text + "(" + arguments.front() + " " + outcome.text() + ")\n";
}

}  // namespace hwenroll::runtime
