#include "agent/runtime/worker_program.h"

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace hwenroll::runtime {
namespace {

using test::TemporaryDirectory;
using test::write_file;

TEST(WorkerProgram, of_a_build_is_beside_the_program) {
    const TemporaryDirectory build;
    write_file(build / "hwenroll-token", "");
    EXPECT_EQ(worker_of(build / "hwenrolld"), build / "hwenroll-token");
}

TEST(WorkerProgram, of_an_installation_is_in_libexec_under_the_prefix_of_the_program) {
    const TemporaryDirectory prefix;
    std::filesystem::create_directories(prefix / "libexec/hwenroll");
    write_file(prefix / "libexec/hwenroll/hwenroll-token", "");
    for (const char* folder : {"bin", "sbin"}) {
        std::filesystem::create_directory(prefix / folder);
        EXPECT_EQ(worker_of(prefix / folder / "hwenroll"), prefix / "libexec/hwenroll/hwenroll-token") << folder;
    }
}

TEST(WorkerProgram, that_is_missing_is_named_where_an_installation_has_it) {
    EXPECT_EQ(worker_of("/usr/sbin/hwenrolld"), "/usr/libexec/hwenroll/hwenroll-token");
}

}  // namespace
}  // namespace hwenroll::runtime
