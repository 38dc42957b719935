#include "engine/apps/run/app_main.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>

#include "engine/apps/run/exit_codes.h"
#include "engine/apps/run/flags.h"
#include "engine/apps/run/interrupt.h"
#include "engine/apps/run/versions.h"
#include "engine/core/errors.h"

namespace engine::apps {
namespace {

void add_output_flags(CommandFlags& command, OutputOptions& options) {
  command.add_switch("--json", options.json, "print the result as one JSON object").group("Output");
  command.add_switch("-q,--quiet", options.quiet, "print nothing but the result and errors")
      .group("Output");
  command.add_counter("-v,--verbose", options.verbosity, "print more (repeat for yet more)")
      .group("Output");
}

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
  FlagParser parser(
      {.name = app.name, .help = app.help, .examples = app.examples, .version = version_text});
  OutputOptions output;
  for (const Command& command : commands) {
    CommandFlags flags = parser.add_command(command.name, command.help);
    if (command.add_flags) command.add_flags(flags);
    add_output_flags(flags, output);
  }
  const FlagParser::Result parsed = parser.parse(argc, argv);
  if (parsed.is_answered) return parsed.is_printed ? kExitOk : kExitFailure;
  if (parsed.command.empty()) return refuse_command(argc, argv, app, commands);
  if (!parsed.error.empty()) {
    const std::string name = app.name + " " + parsed.command;
    std::fprintf(stderr, "%s: %s (%s --help lists the flags)\n", name.c_str(), parsed.error.c_str(),
                 name.c_str());
    return kExitUsage;
  }
  for (const Command& command : commands) {
    if (command.name == parsed.command) return run_command(app.name, command, output);
  }
  return kExitUsage;
}

}  // namespace engine::apps
