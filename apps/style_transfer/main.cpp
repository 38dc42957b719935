#include "engine/apps/style_transfer/commands.h"

int main(int argc, char** argv) {
  using namespace engine::apps;
  return app_main(argc, argv,
                  {.name = "style_transfer",
                   .help = "Paints a picture in the style of others.",
                   .examples = "Examples:\n"
                               "  style_transfer run scene:7 pattern:waves -o out.png\n"
                               "  style_transfer run photo.jpg painting.jpg -o out.png\n"
                               "  style_transfer run photo.jpg a.jpg b.jpg --style-weights 2,1 "
                               "--colors content -o out.png\n"
                               "  style_transfer run photo.jpg painting.jpg --weights "
                               "vgg19.safetensors -o out.png\n"},
                  {style_transfer::run_command()});
}
