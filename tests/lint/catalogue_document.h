// The command line of the programs that make a document of a catalogue.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

namespace hwenroll::lint {

/// A document below the project's root, and how it is made of what stands there.
struct CatalogueDocument {
    std::filesystem::path path;
    std::function<std::string(const std::filesystem::path& root)> render;
};

/// `PROGRAM ROOT` prints the document, `PROGRAM --write ROOT` writes it. Returns the exit status.
int run_catalogue_document(int argc, char** argv, const CatalogueDocument& document);

}  // namespace hwenroll::lint
