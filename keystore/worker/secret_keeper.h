// Whose secrets a process of root's uses.
#pragma once

#include <optional>
#include <sys/types.h>

namespace hwenroll::keystore {

/// Root's commands act for the user whose the state is: files of secrets that belong to `user` are then as good as
/// root's own, here and in the token workers that this process starts. Of the whole process; set before any thread
/// reads a secret. To any other user than root it makes no difference.
void accept_secrets_of(uid_t user);

/// Who that is; nothing: nobody but root and this process's user.
std::optional<uid_t> secret_keeper();

}  // namespace hwenroll::keystore
