#include "engine/apps/run/app_main.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <new>

#include <CLI/CLI.hpp>

#include "engine/apps/run/exit_codes.h"
#include "engine/apps/run/interrupt.h"
#include "engine/apps/run/versions.h"
#include "engine/core/errors.h"

namespace engine::apps {
namespace {

void add_output_flags(CLI::App& command, OutputOptions& options) {
  command.add_flag("--json", options.json, "print the result as one JSON object")->group("Output");
  command.add_flag("-q,--quiet", options.quiet, "print nothing but the result and errors")
      ->group("Output");
  command.add_flag("-v,--verbose", options.verbosity, "print more (repeat for yet more)")
      ->group("Output");
}

// Which flags exclude each other is told by the error; in the help it would bury the flags.
class BriefFormatter : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    std::string text = CLI::Formatter::make_option_opts(option);
    return text.substr(0, text.find(" Excludes:"));
  }
};

// The first line of an Error is for users, as are the consumers of memory that is out; condition
// and place are for those who ask.
std::string message_of(const std::exception& error, int verbosity) {
  const std::string text = error.what();
  const bool is_whole = verbosity > 0 || dynamic_cast<const OutOfMemory*>(&error) != nullptr;
  return is_whole ? text : text.substr(0, text.find('\n'));
}

// No command that there is: names the word that was taken for one.
int refuse_command(int argc, char** argv, const AppDescription& app,
                   const std::vector<Command>& commands) {
  std::string text = app.name + ": ";
  text += argc > 1 ? join("there is no command \"", argv[1], '"') : "a command is needed";
  text += "; there are:";
  for (const Command& command : commands) text += " " + command.name;
  std::fprintf(stderr, "%s (%s --help tells what they do)\n", text.c_str(), app.name.c_str());
  return kExitUsage;
}

int run_command(const std::string& app, const Command& command, const OutputOptions& options) {
  Console console(options);
  const auto fail = [&](const std::exception& error, int code) {
    console.warning(app + " " + command.name + ": " + message_of(error, options.verbosity));
    return code;
  };
  try {
    command.run(console);
  } catch (const UsageError& error) {
    return fail(error, kExitUsage);
  } catch (const Interrupted& error) {
    return fail(error, kExitInterrupted);
  } catch (const std::bad_alloc&) {
    return fail(std::runtime_error("out of memory"), kExitFailure);
  } catch (const std::exception& error) {
    return fail(error, kExitFailure);
  }
  errno = 0;
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    const std::string reason = errno != 0 ? std::strerror(errno) : "write error";
    return fail(std::runtime_error("cannot write to standard output: " + reason), kExitFailure);
  }
  return kExitOk;
}

}  // namespace

int app_main(int argc, char** argv, const AppDescription& app,
             const std::vector<Command>& commands) {
  install_signal_handlers();
  CLI::App parser(app.help, app.name);
  parser.formatter(std::make_shared<BriefFormatter>());
  parser.footer(app.examples);
  parser.require_subcommand(1);
  parser.set_version_flag(
      "--version", [&] { return version_text(app.name); },
      "what this program was built from and what it can use here");
  OutputOptions output;
  for (const Command& command : commands) {
    CLI::App* flags = parser.add_subcommand(command.name, command.help);
    if (command.add_flags) command.add_flags(*flags);
    add_output_flags(*flags, output);
  }
  try {
    parser.parse(argc, argv);
  } catch (const CLI::Success& request) {  // --help, --version
    parser.exit(request);
    return std::fflush(stdout) == 0 && std::cout.flush() ? kExitOk : kExitFailure;
  } catch (const CLI::ParseError& error) {
    const auto chosen = parser.get_subcommands();
    if (chosen.empty()) return refuse_command(argc, argv, app, commands);
    const std::string name = app.name + " " + chosen.front()->get_name();
    std::fprintf(stderr, "%s: %s (%s --help lists the flags)\n", name.c_str(), error.what(),
                 name.c_str());
    return kExitUsage;
  } catch (const UsageError& error) {
    std::fprintf(stderr, "%s: %s\n", app.name.c_str(), error.what());
    return kExitUsage;
  }
  for (const Command& command : commands) {
    if (parser.got_subcommand(command.name)) return run_command(app.name, command, output);
  }
  return kExitUsage;
}

}  // namespace engine::apps
