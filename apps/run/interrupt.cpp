#include "engine/apps/run/interrupt.h"

#include <csignal>

#include <unistd.h>

#include "engine/apps/run/exit_codes.h"

namespace engine::apps {
namespace {

volatile std::sig_atomic_t stop_requested = 0;

extern "C" void request_stop(int) {
  if (stop_requested != 0) _exit(kExitInterrupted);
  stop_requested = 1;
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

}  // namespace

void install_signal_handlers() {
  handle(SIGINT, request_stop);
  handle(SIGTERM, request_stop);
  handle(SIGPIPE, SIG_IGN);
#ifdef SIGXFSZ
  handle(SIGXFSZ, SIG_IGN);
#endif
}

bool interrupted() {
  return stop_requested != 0;
}

}  // namespace engine::apps
