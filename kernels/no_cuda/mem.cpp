// CUDA's entry points in a build without it. No Device::cuda() exists there, so nobody gets here.
#include "engine/core/errors.h"
#include "engine/kernels/cpu/gather_rows.h"
#include "engine/kernels/cpu/image.h"
#include "engine/kernels/cpu/optimizer_update.h"
#include "engine/kernels/cpu/random.h"
#include "engine/kernels/cpu/record.h"
#include "engine/kernels/cpu/schedule.h"

namespace engine::cuda {

namespace {

[[noreturn]] std::unique_ptr<Kernel> refuse() {
  throw InvalidArgument("this library was built without CUDA");
}

}  // namespace

std::unique_ptr<Kernel> prepare_gather_rows(const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_normalize_images(const Normalization&, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_random_geometry(const RandomImageOptions&, std::uint64_t,
                                                const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_sgd_update(const SgdUpdate&, int, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_adam_update(const AdamUpdate&, int, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_squared_norm(const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_random(cpu::Distribution, std::uint64_t, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_dropout(float, std::uint64_t, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_shuffled_rows(std::int64_t, std::uint64_t, const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_record_in_ring(const PrepareContext&) {
  return refuse();
}
std::unique_ptr<Kernel> prepare_schedule(const Schedule&) {
  return refuse();
}

}  // namespace engine::cuda
