#include "tests/support/metrics_text.h"

#include <regex>
#include <set>

namespace hwenroll::test {
namespace {

const std::regex help_line(R"(# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\\\n]|\\\\|\\n)+))");
const std::regex type_line(R"(# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge))");
const std::regex sample_line(
    R"(([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*",?)+\})? (-?[0-9]+(?:\.[0-9]+)?))");

class Reader {
 public:
    void line(const std::string& text) {
        std::smatch parts;
        if (std::regex_match(text, parts, help_line)) {
            begin(parts[1]);
        } else if (std::regex_match(text, parts, type_line)) {
            type(parts[1], parts[2]);
        } else if (std::regex_match(text, parts, sample_line)) {
            sample(parts[1], parts[2], std::stod(parts[3]));
        } else {
            fault("no line of the format: " + text);
        }
    }
    void fault(const std::string& text) { out_.faults.push_back(text); }
    MetricsText take() { return std::move(out_); }

 private:
    void begin(const std::string& name) {
        if (!seen_.insert(name).second) {
            fault(name + " stands in two blocks");
        }
        name_ = name;
        typed_ = false;
    }
    void type(const std::string& name, const std::string& kind) {
        if (name != name_ || typed_) {
            fault("TYPE of " + name + " is not where it belongs");
        }
        typed_ = true;
        out_.types[name] = kind;
        const bool total = name.ends_with("_total");
        if (total != (kind == "counter")) {
            fault(name + " is a " + kind);
        }
    }
    void sample(const std::string& name, const std::string& labels, double value) {
        if (name != name_ || !typed_) {
            fault("a sample of " + name + " is not where it belongs");
        }
        if (labels.find(",}") != std::string::npos) {
            fault("a comma before the end of the labels");
        }
        if (!out_.values.emplace(name + labels, value).second) {
            fault(name + labels + " is there twice");
        }
    }

    MetricsText out_;
    std::set<std::string> seen_;
    std::string name_;
    bool typed_ = false;
};

}  // namespace

std::optional<double> MetricsText::value(const std::string& sample) const {
    const auto found = values.find(sample);
    return found == values.end() ? std::nullopt : std::optional(found->second);
}

MetricsText read_metrics(std::string_view text) {
    Reader reader;
    if (text.empty() || text.back() != '\n') {
        reader.fault("the text does not end with a newline");
    }
    while (!text.empty()) {
        const auto end = text.find('\n');
        reader.line(std::string(text.substr(0, end)));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return reader.take();
}

}  // namespace hwenroll::test
