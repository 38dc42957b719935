#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/apps/run/console.h"
#include "engine/apps/run/flags.h"

namespace engine::apps {

// A subcommand: `add_flags` declares its flags, `run` does the work once they are parsed.
struct Command {
  std::string name;
  std::string help;
  std::function<void(CommandFlags& command)> add_flags;
  std::function<void(Console& console)> run;
};

struct AppDescription {
  std::string name;  // "cnn"
  std::string help;
  std::string examples;  // printed below --help
};

// The main() of every app. Adds --version to the app and --json, -q, -v to every command; parses,
// runs, and turns whatever is thrown into one clear line on standard error and an ExitCode. A
// standard output that could not be written is a failure too.
int app_main(int argc, char** argv, const AppDescription& app,
             const std::vector<Command>& commands);

}  // namespace engine::apps
