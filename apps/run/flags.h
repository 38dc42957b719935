#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace engine::apps {

// A flag or argument of a command. What changes it returns it, so that calls chain.
class Flag {
 public:
  explicit Flag(CLI::Option* option) : option_(option) {}

  Flag group(const std::string& title);  // the help's heading above it
  Flag show_default();                   // in the help
  Flag required();
  Flag separated_by(char separator);  // "256,128" is two values
  Flag optional_value();              // may stand alone

  Flag range(int low, int high);
  Flag range(double low, double high);
  Flag positive();
  Flag not_negative();
  Flag one_of(std::initializer_list<const char*> values);
  Flag one_of(std::initializer_list<int> values);

  Flag needs(Flag other);
  Flag excludes(Flag other);

  bool is_given() const;  // once parsed

 private:
  CLI::Option* option_;
};

// The flags of one command. What cannot be parsed is told by FlagParser::parse().
class CommandFlags {
 public:
  explicit CommandFlags(CLI::App& command) : command_(&command) {}

  // "--size" or "-o,--output" takes a value; a name without dashes is an argument in its place.
  // The variable is written once parsed and has to live until then. T: std::string, int,
  // std::int64_t, std::uint64_t, double, std::optional of a number, std::vector of those.
  template <class T>
  Flag add(const std::string& names, T& variable, const std::string& help);
  Flag add_switch(const std::string& names, bool& variable, const std::string& help);
  Flag add_counter(const std::string& names, int& variable, const std::string& help);

  Flag find(const std::string& name) const;
  std::vector<Flag> all() const;                   // but --help
  void when_parsed(std::function<void()> action);  // once all of them are written

 private:
  CLI::App* command_;
};

// The command line of an app with commands: NAME COMMAND FLAGS. The only place that knows CLI11.
class FlagParser {
 public:
  struct Description {
    std::string name;
    std::string help;
    std::string examples;                             // below the help
    std::string (*version)(const std::string& name);  // what --version prints
  };
  explicit FlagParser(const Description& description);
  ~FlagParser();

  CommandFlags add_command(const std::string& name, const std::string& help);

  struct Result {
    std::string command;       // empty: none was named
    std::string error;         // empty: it was understood
    bool is_answered = false;  // --help or --version, printed
    bool is_printed = true;    // false: standard output did not take it
  };
  Result parse(int argc, char** argv);

 private:
  std::unique_ptr<CLI::App> parser_;
};

}  // namespace engine::apps
