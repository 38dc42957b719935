#include "engine/layers/models/vgg.h"

#include <gtest/gtest.h>

#include "engine/kernels/binary.h"
#include "engine/kernels/compile.h"
#include "engine/kernels/gram.h"
#include "engine/kernels/mean_squared_difference.h"
#include "engine/kernels/reduce.h"
#include "engine/optim/minimize.h"

namespace engine::models {
namespace {

int count(const Executable& step, std::string_view op) {
  int found = 0;
  for (const Node& node : step.graph().nodes()) found += node.op->name() == op ? 1 : 0;
  return found;
}

TEST(Vgg, HasTorchvisionsNumbers) {
  const auto number = [](std::string_view network, std::string_view layer) {
    return find_vgg_layer(find_vgg(network), layer).number;
  };
  EXPECT_EQ(number("vgg19", "conv1_1"), 0);
  EXPECT_EQ(number("vgg19", "conv3_4"), 16);
  EXPECT_EQ(number("vgg19", "conv5_1"), 28);
  EXPECT_EQ(number("vgg16", "conv4_1"), 17);
  EXPECT_EQ(number("vgg16", "conv5_3"), 28);
  EXPECT_EQ(vgg_layers(find_vgg("vgg19")).size(), 16u);
  EXPECT_EQ(find_vgg_layer(find_vgg("vgg19"), "conv4_2").in_channels, 512);
}

TEST(Vgg, BuildsNothingAboveTheLastLayer) {
  Graph graph;
  const Scope net(graph);
  const auto maps =
      vgg_features(net, graph.input("x", {1, 33, 50, 3}),
                   {.shape = find_vgg("vgg19"), .layers = {"conv3_1", "conv1_1", "conv2_2"}});
  EXPECT_EQ(maps[0].shape(), (Shape{1, 8, 12, 256}));
  EXPECT_EQ(maps[1].shape(), (Shape{1, 33, 50, 64}));
  EXPECT_EQ(maps[2].shape(), (Shape{1, 16, 25, 128}));
  ASSERT_EQ(graph.parameters().size(), 10u);
  EXPECT_EQ(graph.state_of(graph.parameters().back()).name, "features.10.bias");
}

// The graph sees that only the picture is wanted: no gradient of a weight or bias is computed, and
// every convolution takes its bias and relu along and packs its weights once.
TEST(Vgg, APictureStepHasNoWeightGradients) {
  for (VggPooling pooling : {VggPooling::maximum, VggPooling::average}) {
    Graph graph;
    const Scope net(graph);
    const Value image = net.parameter("image", {1, 32, 32, 3}, init::uniform(-1, 1));
    const auto maps = vgg_features(
        net, image,
        {.shape = find_vgg("vgg_small"), .pooling = pooling, .layers = {"conv1_2", "conv3_1"}});
    const Value target = graph.input("target", {32, 32});
    const Value loss = mean_squared_difference(gram(maps[0]), target) + sum(maps[1]);
    minimize(net, loss, Adam{}, {.parameters = {image}});
    Store store(Device::cpu());
    Executable step =
        compile(graph, store, {.precision = Precision::f32, .parameters = Parameters::frozen});
    EXPECT_EQ(count(step, "conv2d"), 5);
    EXPECT_EQ(count(step, "conv2d_backward_data"), 5);
    EXPECT_EQ(count(step, "conv2d_backward_weights"), 0);
    EXPECT_EQ(count(step, "reduce"), 1);  // the loss's own; none for a bias
    EXPECT_EQ(count(step, "unary"), 0);   // every relu is in a convolution or a pooling
    step.set_input("target", Tensor::zeros({32, 32}, DType::f32, Device::cpu()));
    step.run(2);  // its own update of the image leaves the packed weights right
    for (const auto& node : step.profile()) {
      // The gradient of the picture reads the few filters of its layer as they are.
      const bool is_packed = !node.kernel.starts_with("dot products");
      if (node.op.starts_with("conv2d") && is_packed) {
        EXPECT_NE(node.kernel.find("input 1 packed"), std::string::npos) << node.kernel;
      }
    }
    store.mark_changed();
    EXPECT_THROW(step.run(), InvalidArgument);
  }
}

TEST(Vgg, NamesWhatDoesNotFit) {
  const auto message = [](const Shape& images, const std::string& layer) -> std::string {
    Graph graph;
    try {
      vgg_features(Scope(graph), graph.input("x", images),
                   {.shape = find_vgg("vgg19"), .layers = {layer}});
    } catch (const InvalidArgument& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(message({1, 8, 40, 3}, "conv5_1").find("at least 16 pixels a side"), std::string::npos);
  EXPECT_NE(message({1, 64, 64, 3}, "conv3_5").find("vgg19 has no layer \"conv3_5\""),
            std::string::npos);
  EXPECT_THROW(find_vgg("vgg11"), InvalidArgument);
}

TEST(VggSmall, ClassifiesSmallPictures) {
  Graph graph;
  const Scope net(graph, Mode::inference);
  const Value logits =
      find_classifier("vgg_small").build(net, graph.input("x", {2, 32, 32, 3}), {.outputs = 10});
  EXPECT_EQ(logits.shape(), (Shape{2, 10}));
  Store store(Device::cpu());
  store.declare(graph);
  EXPECT_LE(store.parameter_count() * 4, 5'000'000);
  EXPECT_NE(store.find("features.20.weight"), nullptr);
}

}  // namespace
}  // namespace engine::models
