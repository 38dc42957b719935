#pragma once

#include "engine/core/errors.h"

namespace engine::apps {

// What a process of ours returns.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,       // a file, a device or the training itself
  kExitUsage = 2,         // the command line
  kExitInterrupted = 130  // Ctrl-C or SIGTERM, after a checkpoint
};

// The command line asks for something impossible; ends the process with kExitUsage.
class UsageError : public Error {
 public:
  using Error::Error;
};

// The user asked to stop. Everything worth keeping was written before it is thrown.
class Interrupted : public Error {
 public:
  using Error::Error;
};

}  // namespace engine::apps
