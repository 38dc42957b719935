// What the library says on machines that it cannot work on, and when something there fails.
#include <cuda_runtime_api.h>

#include "emulated_machine.h"
#include "engine/core/backend.h"
#include "engine/core/cuda/targets.h"
#include "engine/core/errors.h"
#include "engine/core/executable.h"
#include "engine/core/structural_ops.h"
#include "engine/kernels/build_description.h"
#include "engine/kernels/compile.h"
#include "engine/kernels/cuda/tensor_map.h"
#include "engine/kernels/random.h"

namespace engine {
namespace {

class ErrorWords : public EmulatedMachine {};

// The text of what `body` throws, which has to be an `Exception`.
template <class Exception, class Body>
std::string text_of(Body body) {
  try {
    body();
  } catch (const Exception& error) {
    EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess) << "left behind";
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another exception: " << error.what();
  }
  return "nothing was thrown";
}
std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}
void expect_in(const std::string& part, const std::string& text) {
  EXPECT_NE(text.find(part), std::string::npos) << '"' << part << "\" is not in\n" << text;
}

TEST_F(ErrorWords, CodeRunsOnItsOwnMajorVersionAndPtxOnLaterOnes) {
  struct Case {
    const char* targets;
    int major, minor, code;
  };
  for (const Case& c : std::initializer_list<Case>{{"8.0, 9.0a", 7, 5, 0},
                                                   {"8.0, 9.0a", 8, 0, 80},
                                                   {"8.0, 9.0a", 8, 9, 80},
                                                   {"8.0, 9.0a", 9, 0, 90},
                                                   {"8.0, 9.0a", 10, 0, 80},
                                                   {"8.6, 9.0a", 8, 0, 0},
                                                   {"8.0", 9, 0, 80},
                                                   {"9.0a", 9, 0, 90},
                                                   {"9.0", 9, 0, 89},
                                                   {"8.0, 9.0", 9, 0, 89},
                                                   {"9.0", 10, 0, 89},
                                                   {"10.0", 10, 3, 100},
                                                   {"9.0a", 10, 0, 0},
                                                   {"9.0a", 8, 0, 0},
                                                   {"8.0, 8.6", 8, 9, 86},
                                                   {"9.0a, 12.0", 12, 1, 120},
                                                   {"9.0a, 12.0", 13, 0, 0}}) {
    EXPECT_EQ(cuda::code_for(c.major, c.minor, c.targets), c.code)
        << c.targets << " on " << c.major << '.' << c.minor;
  }
}

TEST_F(ErrorWords, UnsupportedGpu) {
  simt::machine().major = 7;
  simt::machine().minor = 5;
  const std::string words = "built for 8.0, 9.0a; this GPU (SIMT emulator (7.5)) is 7.5";
  EXPECT_EQ(first_line(text_of<InvalidArgument>([] { Device::cuda(); })),
            "device cuda:0: " + words);
  EXPECT_EQ(first_line(text_of<InvalidArgument>([] { Device::parse("cuda"); })),
            "device cuda:0: " + words);
  EXPECT_TRUE(Device::best().is_cpu());
  EXPECT_TRUE(Device::parse("auto").is_cpu());
  EXPECT_EQ(why_no_cuda(), words);
}

TEST_F(ErrorWords, DriverOlderThanTheToolkit) {
  simt::machine().driver_version = 12040;
  const std::string words =
      "the driver is older than the toolkit: it runs CUDA up to 12.4, this "
      "library was built with " +
      cuda_build_string().substr(0, cuda_build_string().find(',')) + "; update the driver";
  const std::string text = text_of<InvalidArgument>([] { Device::cuda(); });
  expect_in("device cuda: " + words, first_line(text));
  expect_in("cudaErrorInsufficientDriver", first_line(text));
  EXPECT_TRUE(Device::best().is_cpu());
  expect_in(words, why_no_cuda());
}

TEST_F(ErrorWords, NoDriverAndNoDevice) {
  simt::machine().driver_version = 0;
  expect_in("no NVIDIA driver is loaded", text_of<InvalidArgument>([] { Device::cuda(); }));
  simt::machine() = {.gpus = 0};
  expect_in("nvidia-smi and CUDA_VISIBLE_DEVICES",
            text_of<InvalidArgument>([] { Device::cuda(); }));
  EXPECT_TRUE(Device::best().is_cpu());
  simt::machine() = {};
  expect_in("device cuda:1: this machine has 1 CUDA device",
            text_of<InvalidArgument>([] { Device::cuda(1); }));
  EXPECT_EQ(why_no_cuda(), "");
}

// A busy GPU is not passed over in silence.
TEST_F(ErrorWords, BusyGpu) {
  const auto fail = [] { simt::fail_calls("cudaInitDevice", cudaErrorDevicesUnavailable); };
  fail();
  const std::string text = text_of<CudaError>([] { Device::cuda(); });
  expect_in("device cuda:0: the GPU is busy: another process holds it exclusively",
            first_line(text));
  expect_in("cudaErrorDevicesUnavailable", first_line(text));
  fail();
  expect_in("the GPU is busy", text_of<CudaError>([] { Device::best(); }));
  EXPECT_TRUE(Device::best().is_cuda());
}

TEST_F(ErrorWords, BuildDescriptionNamesWhatItIsFor) {
  expect_in("devices:          cpu, cuda (" + cuda_build_string() + ")\n", build_description());
  expect_in(", for 8.0, 9.0a", cuda_build_string());
}

// --- out of memory -------------------------------------------------------------------------------

void leave_free(std::size_t bytes) {
  simt::machine().memory_bytes = simt::live_device_bytes() + bytes;
}

TEST_F(ErrorWords, OutOfMemoryTellsBytesAskedForAndFree) {
  leave_free(1 << 20);
  expect_in(" 4194304 bytes asked for, 1048576 of ",
            text_of<OutOfMemory>([] { Tensor::empty({1 << 20}, DType::f32, Device::cuda()); }));
}

TEST_F(ErrorWords, FreedMemoryIsGivenBackAndTheCallTriedAgain) {
  simt::fail_calls("cudaMallocFromPoolAsync", cudaErrorMemoryAllocation);
  EXPECT_NO_THROW(Tensor::empty({16}, DType::f32, Device::cuda()));
}

TEST_F(ErrorWords, OutOfMemoryListsTheLargestState) {
  Graph graph;
  for (const std::int64_t rows : {100, 300, 200}) {
    const std::string name = join("rows", rows);
    graph.update_state(name, graph.read_state({.name = name, .shape = {rows, 1000}}));
  }
  leave_free(1 << 20);
  const std::string text = text_of<OutOfMemory>([&] {
    Store store(Device::cuda());
    compile(graph, store);
  });
  expect_in("store: out of memory for 2.29 MiB of state", first_line(text));
  expect_in("\n  1.14 MiB  rows300\n  0.76 MiB  rows200\n  0.38 MiB  rows100", text);
}

TEST_F(ErrorWords, OutOfMemoryListsTheLargestTensorsOfAStep) {
  Graph graph;
  const Value big = random_uniform(graph, "big", {1 << 20});
  const Value small = random_uniform(graph, "small", {1 << 18});
  graph.output("big", big);
  graph.output("small", small);
  leave_free(2 << 20);
  const std::string text = text_of<OutOfMemory>([&] {
    Store store(Device::cuda());
    compile(graph, store);
  });
  expect_in("compile: out of memory for an arena of 5.00 MiB", first_line(text));
  expect_in("5242880 bytes asked for, ", first_line(text));
  expect_in("\n  4.00 MiB  big\n  1.00 MiB  small", text);
}

// --- kernels -------------------------------------------------------------------------------------

TEST_F(ErrorWords, ALaunchThatFailsNamesKernelAndConfiguration) {
  Graph graph;
  graph.output("numbers", random_uniform(graph, "numbers", {1000}));
  Store store(Device::cuda());
  Executable step = compile(graph, store);
  step.run();
  // Of another architecture than it was built for, say. Without a recording it is seen at once.
  simt::fail_calls("cudaLaunchKernelEx", cudaErrorNoKernelImageForDevice, 2);
  Executable other = compile(graph, store);
  const std::string text = text_of<CudaError>([&] { other.run(); });
  expect_in("random_kernel", first_line(text));
  expect_in("this library has no code for this GPU", first_line(text));
  expect_in("\n  grid (", text);
}

// A driver that is new enough for the toolkit's calls may still be too old for its PTX, which runs
// on GPUs that the build has no machine code for.
TEST_F(ErrorWords, PtxThatTheDriverCannotCompile) {
  Graph graph;
  graph.output("numbers", random_uniform(graph, "numbers", {1000}));
  Store store(Device::cuda());
  const auto words = [&](cudaError_t error) {
    simt::fail_calls("cudaLaunchKernelEx", error, 2);
    Executable step = compile(graph, store);
    return first_line(text_of<CudaError>([&] { step.run(); }));
  };
  expect_in("the driver cannot compile this build's PTX: update it, or build for this GPU",
            words(cudaErrorUnsupportedPtxVersion));
  expect_in("the driver's PTX compiler (libnvidia-ptxjitcompiler) is missing",
            words(cudaErrorJitCompilerNotFound));
}

TEST_F(ErrorWords, TensorMapThatTheDriverRefuses) {
  const cuda::TensorMapEncoder encode;
  const auto* const unaligned = reinterpret_cast<const void*>(0x1008);
  const cuda::TensorMapShape<2> shape{.sizes = {72, 40}, .box = {64, 32}};
  EXPECT_EQ(
      first_line(text_of<CudaError>([&] { encode(unaligned, shape); })),
      "cuda: cuTensorMapEncodeTiled takes no bf16 tensor of 72 x 40 at 0x1008 in boxes of 64 x "
      "32 (innermost first): error 1");
  ASSERT_EQ(simt::reports().size(), 1u);
  expect_in("the address is not 16-byte aligned", simt::reports()[0].text);
  simt::reset();
}

}  // namespace
}  // namespace engine
