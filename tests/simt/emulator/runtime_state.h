#pragma once

#include <functional>
#include <string>
#include <vector>

#include <cuda_runtime_api.h>

#include "simt/control.h"
#include "simt/fiber.h"

// What the files of the emulated CUDA runtime share.
namespace engine::simt {

extern Counters runtime_counters;
extern std::vector<Report> recorded_reports;
void record_launch(const char* kernel);

// The error of fail_calls(), or success.
cudaError_t planned_failure(const char* function);
void forget_planned_failures();

// Of compute capability 9.0.
constexpr int kMaxDynamicShared = 232448;  // 227 KB
constexpr int kDefaultDynamicShared = 48 << 10;
constexpr int kMultiprocessorShared = 228 << 10;

cudaError_t check_driver();

// The device whose context is current, and the same for calls that create a context there.
int current_device();
int used_device();
void forget_devices();
// An error and a report where `what` is on another device than `owner`.
cudaError_t check_device(int wanted, int found, const char* what, const char* owner);
// The same for the allocation that p points into, if any.
cudaError_t check_memory_device(int wanted, const void* p, const char* what);

std::string describe_mbarrier(std::uint32_t address, Block* block);

// Work on a stream; `perform` runs when a synchronisation needs it.
cudaError_t enqueue(cudaStream_t stream, std::function<cudaError_t()> perform);
void drain_stream(cudaStream_t stream);
void drain_all_streams();
bool is_capturing(cudaStream_t stream);
int device_of(cudaStream_t stream);
// For calls that no capture allows, or none of a stream that waits for the default stream: an error
// and a report while there is one.
cudaError_t refuse_while_capturing(const char* call, bool only_blocking = false);

// An error of a kernel stays until reset(); others are returned once.
cudaError_t sticky_error();
cudaError_t returned(cudaError_t error);
cudaError_t last_error(bool clear);
void clear_errors();

}  // namespace engine::simt
