#include "agent/runtime/start_record.h"

#include <fstream>

namespace hwenroll::runtime {

unsigned StartRecord::begin() {
    unsigned before = 0;
    std::ifstream(file_) >> before;
    std::error_code failure;
    std::filesystem::create_directories(file_.parent_path(), failure);
    std::ofstream(file_) << before + 1 << '\n';
    return before;
}

void StartRecord::clear() {
    std::error_code failure;
    std::filesystem::remove(file_, failure);
}

}  // namespace hwenroll::runtime
