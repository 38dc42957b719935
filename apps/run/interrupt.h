#pragma once

namespace engine::apps {

// SIGINT and SIGTERM raise a flag from now on; a second SIGINT ends the process at once. SIGPIPE
// and SIGXFSZ are ignored, so that a write that fails does so with an error that can be reported.
void install_signal_handlers();

// True once the user asked to stop.
bool interrupted();

}  // namespace engine::apps
