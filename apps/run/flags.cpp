#include "engine/apps/run/flags.h"

#include <cmath>
#include <cstdio>
#include <iostream>
#include <optional>
#include <utility>

#include <CLI/CLI.hpp>

namespace engine::apps {
namespace {

// Which flags exclude each other is told by the error; in the help it would bury the flags.
class BriefFormatter : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    std::string text = CLI::Formatter::make_option_opts(option);
    return text.substr(0, text.find(" Excludes:"));
  }
};

// CLI11's own would print the largest double to those who give a number below.
CLI::Validator finite_number(const char* name, bool (*accepts)(double), const char* refusal) {
  return CLI::Validator(
      [accepts, refusal](const std::string& text) {
        double value = 0;
        const bool is_number = CLI::detail::lexical_cast(text, value) && std::isfinite(value);
        return is_number && accepts(value) ? std::string() : text + refusal;
      },
      name);
}

}  // namespace

Flag Flag::group(const std::string& title) {
  return Flag(option_->group(title));
}
Flag Flag::show_default() {
  return Flag(option_->capture_default_str());
}
Flag Flag::required() {
  return Flag(option_->required());
}
Flag Flag::separated_by(char separator) {
  return Flag(option_->delimiter(separator));
}
Flag Flag::optional_value() {
  return Flag(option_->expected(0, 1));
}
Flag Flag::range(int low, int high) {
  return Flag(option_->check(CLI::Range(low, high)));
}
Flag Flag::range(double low, double high) {
  return Flag(option_->check(CLI::Range(low, high)));
}
Flag Flag::positive() {
  return Flag(option_->check(finite_number(
      "POSITIVE", [](double x) { return x > 0; }, " is no number above 0")));
}
Flag Flag::not_negative() {
  return Flag(option_->check(finite_number(
      "NONNEGATIVE", [](double x) { return x >= 0; }, " is no number from 0 on")));
}
Flag Flag::one_of(std::initializer_list<const char*> values) {
  return Flag(
      option_->check(CLI::IsMember(std::vector<std::string>(values.begin(), values.end()))));
}
Flag Flag::one_of(std::initializer_list<int> values) {
  return Flag(option_->check(CLI::IsMember(std::vector<int>(values))));
}
Flag Flag::needs(Flag other) {
  return Flag(option_->needs(other.option_));
}
Flag Flag::excludes(Flag other) {
  return Flag(option_->excludes(other.option_));
}
bool Flag::is_given() const {
  return option_->count() > 0;
}

template <class T>
Flag CommandFlags::add(const std::string& names, T& variable, const std::string& help) {
  return Flag(command_->add_option(names, variable, help));
}
template Flag CommandFlags::add(const std::string&, std::string&, const std::string&);
template Flag CommandFlags::add(const std::string&, int&, const std::string&);
template Flag CommandFlags::add(const std::string&, std::int64_t&, const std::string&);
template Flag CommandFlags::add(const std::string&, std::uint64_t&, const std::string&);
template Flag CommandFlags::add(const std::string&, double&, const std::string&);
template Flag CommandFlags::add(const std::string&, std::optional<int>&, const std::string&);
template Flag CommandFlags::add(const std::string&, std::optional<std::int64_t>&,
                                const std::string&);
template Flag CommandFlags::add(const std::string&, std::optional<double>&, const std::string&);
template Flag CommandFlags::add(const std::string&, std::vector<std::string>&, const std::string&);
template Flag CommandFlags::add(const std::string&, std::vector<std::int64_t>&, const std::string&);
template Flag CommandFlags::add(const std::string&, std::vector<double>&, const std::string&);

Flag CommandFlags::add_switch(const std::string& names, bool& variable, const std::string& help) {
  return Flag(command_->add_flag(names, variable, help));
}

Flag CommandFlags::add_counter(const std::string& names, int& variable, const std::string& help) {
  return Flag(command_->add_flag(names, variable, help));
}

Flag CommandFlags::find(const std::string& name) const {
  return Flag(command_->get_option(name));
}

std::vector<Flag> CommandFlags::all() const {
  std::vector<Flag> flags;
  for (CLI::Option* option : command_->get_options()) {
    if (option->get_name().rfind("--help", 0) != 0) flags.emplace_back(option);
  }
  return flags;
}

void CommandFlags::when_parsed(std::function<void()> action) {
  command_->parse_complete_callback(std::move(action));
}

FlagParser::FlagParser(const Description& description)
    : parser_(std::make_unique<CLI::App>(description.help, description.name)) {
  parser_->formatter(std::make_shared<BriefFormatter>());
  parser_->footer(description.examples);
  parser_->require_subcommand(1);
  parser_->set_version_flag(
      "--version", [description] { return description.version(description.name); },
      "what this program was built from and what it can use here");
}

FlagParser::~FlagParser() = default;

CommandFlags FlagParser::add_command(const std::string& name, const std::string& help) {
  return CommandFlags(*parser_->add_subcommand(name, help));
}

FlagParser::Result FlagParser::parse(int argc, char** argv) {
  Result result;
  const auto take_command = [&] {
    const auto chosen = parser_->get_subcommands();
    if (!chosen.empty()) result.command = chosen.front()->get_name();
  };
  try {
    parser_->parse(argc, argv);
    take_command();
  } catch (const CLI::Success& request) {  // --help, --version
    parser_->exit(request);
    result.is_answered = true;
    result.is_printed = std::fflush(stdout) == 0 && std::cout.flush();
  } catch (const CLI::ParseError& error) {
    take_command();
    result.error = error.what();
  }
  return result;
}

}  // namespace engine::apps
