#include "engine/apps/cnn/commands.h"

int main(int argc, char** argv) {
  using namespace engine::apps;
  return app_main(
      argc, argv,
      {.name = "cnn",
       .help = "Trains and uses networks that tell what a picture shows.",
       .examples = "Examples:\n"
                   "  cnn train                         on built-in scenes, day or night\n"
                   "  cnn train --data PHOTOS           PHOTOS/<class>/*.jpg or *.png\n"
                   "  cnn train --data MNIST --out runs/digits\n"
                   "  cnn eval --model runs/digits --data MNIST\n"
                   "  cnn predict --model runs/cnn-daynight-001 photo.jpg\n"},
      {cnn::train_command(), cnn::eval_command(), cnn::predict_command(), cnn::doctor_command()});
}
