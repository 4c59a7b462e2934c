#include "agent/runtime/worker_program.h"

#include <system_error>

namespace hwenroll::runtime {

std::filesystem::path worker_of(const std::filesystem::path& program) {
    std::filesystem::path beside = program.parent_path() / "hwenroll-token";
    std::error_code error;
    if (std::filesystem::exists(beside, error)) {
        return beside;
    }
    return (program.parent_path() / HWENROLL_WORKER_FROM_PROGRAMS / "hwenroll-token").lexically_normal();
}

}  // namespace hwenroll::runtime
