#pragma once

#include <string>

#include "engine/apps/run/console.h"
#include "engine/apps/style_transfer/settings.h"

namespace engine::apps::style_transfer {

struct StyleRequest {
  StyleSettings settings;  // of a new run
  bool is_resume = false;  // then the folder's own settings count
  std::string folder;      // new or to be continued; empty: the next free one, or the newest
};

// Makes the picture, from loading to the result. Every `preview` iterations the run folder gets
// preview.png, report.html and checkpoint.safetensors; metrics.csv grows with every iteration. What
// can be refused is refused before the first iteration: pictures that cannot be read, an output
// that cannot be written, sizes that cannot fit. Throws Interrupted after a checkpoint when the
// user asks to stop; a run that is resumed ends with the same bits as one that was not.
void run_style(Console& console, const StyleRequest& request);

}  // namespace engine::apps::style_transfer
