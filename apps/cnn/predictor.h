#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "engine/apps/cnn/model_info.h"
#include "engine/core/executable.h"

namespace engine::apps::cnn {

struct PredictorOptions {
  std::vector<std::int64_t> batches = {1, 32};  // batch sizes to compile for
  Precision precision = Precision::automatic;
  Parameters parameters = Parameters::frozen;
};

// Logits for any number of pictures, from executables of fixed batch sizes; the last batch is
// filled up with blank pictures. `store` must outlive it.
class Predictor {
 public:
  Predictor(const ModelInfo& info, Store& store, const PredictorOptions& options);

  // images: u8 [n, height, width, channels] on the CPU -> n * outputs numbers, row by row.
  std::vector<float> logits(const Tensor& images);

 private:
  void run_batch(std::int64_t batch, const Tensor& images, float* logits);

  std::int64_t outputs_;
  std::map<std::int64_t, Executable> by_batch_;
  std::map<std::int64_t, Tensor> padded_;  // per batch size: room for an incomplete batch
};

}  // namespace engine::apps::cnn
