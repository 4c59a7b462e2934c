#include <cstdint>
#include <memory>

#include <systemd/sd-bus.h>

#include "agent/runtime/clock_service.h"

namespace hwenroll::runtime {
namespace {

using SteadyClock = std::chrono::steady_clock;

struct BusCloser {
    void operator()(sd_bus* bus) const { ::sd_bus_close_unref(bus); }
};

struct SlotCloser {
    void operator()(sd_bus_slot* slot) const { ::sd_bus_slot_unref(slot); }
};

struct Answer {
    bool came = false;
    std::optional<bool> synchronized;
};

int take_answer(sd_bus_message* message, void* data, sd_bus_error*) {
    auto& answer = *static_cast<Answer*>(data);
    answer.came = true;
    int synchronized = 0;
    if (::sd_bus_message_is_method_error(message, nullptr) <= 0 &&
        ::sd_bus_message_read(message, "v", "b", &synchronized) >= 0) {
        answer.synchronized = synchronized != 0;
    }
    return 0;
}

}  // namespace

std::optional<bool> ask_clock_service(std::chrono::milliseconds patience) {
    const auto end = SteadyClock::now() + patience;
    sd_bus* opened = nullptr;
    if (::sd_bus_open_system(&opened) < 0) {
        return std::nullopt;
    }
    const std::unique_ptr<sd_bus, BusCloser> bus(opened);
    Answer answer;
    sd_bus_slot* asked = nullptr;
    if (::sd_bus_call_method_async(bus.get(), &asked, "org.freedesktop.timedate1", "/org/freedesktop/timedate1",
                                   "org.freedesktop.DBus.Properties", "Get", take_answer, &answer, "ss",
                                   "org.freedesktop.timedate1", "NTPSynchronized") < 0) {
        return std::nullopt;
    }
    const std::unique_ptr<sd_bus_slot, SlotCloser> slot(asked);
    // Not sd_bus_call(): it waits for a bus that accepts and says nothing for as long as the library likes.
    while (!answer.came) {
        const int done = ::sd_bus_process(bus.get(), nullptr);
        const auto left = std::chrono::duration_cast<std::chrono::microseconds>(end - SteadyClock::now());
        if (done < 0 || left.count() <= 0 ||
            (done == 0 && ::sd_bus_wait(bus.get(), static_cast<std::uint64_t>(left.count())) < 0)) {
            return std::nullopt;
        }
    }
    return answer.synchronized;
}

}  // namespace hwenroll::runtime
