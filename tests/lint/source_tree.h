// The project's own files as the lint rules see them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace hwenroll::lint {

/// A text file by its path from the root of the project, with / between folders.
struct SourceFile {
    std::string path;
    std::string text;
};

/// Something that a rule does not allow. Line numbers count from 1; 0 stands for the file as a whole.
struct Finding {
    std::string path;
    std::size_t line = 0;
    std::string what;
};

/// `path:line: what`, one finding a line.
std::string to_text(const std::vector<Finding>& findings);

/// All text files below `root` but those under build*, .git and .cache. Files that hold a NUL are not text.
/// Throws std::filesystem::filesystem_error.
std::vector<SourceFile> read_tree(const std::filesystem::path& root);

/// Is it a C++ source, header or table?
bool is_code(const SourceFile& file);

/// `text` with comments and the contents of string and character literals as blanks; line ends stay where they are.
std::string code_only(std::string_view text);

/// The lines of `text` without their ends.
std::vector<std::string_view> lines_of(std::string_view text);

/// The parts of `text` between `separator`s, without blanks around them; empty parts stay.
std::vector<std::string> split(std::string_view text, char separator);

/// The words of `text` between blanks.
std::vector<std::string> words_of(std::string_view text);

}  // namespace hwenroll::lint
