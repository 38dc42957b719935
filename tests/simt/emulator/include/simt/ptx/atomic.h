#pragma once

#include "simt/atomic_builtins.h"
#include "simt/ptx/target.h"

namespace engine::ptx {

ENGINE_PTX std::uint32_t load_acquire(const std::uint32_t* p) {
  return simt::load(p, simt::Order::kAcquire);
}
ENGINE_PTX void store_release(std::uint32_t* p, std::uint32_t v) {
  simt::store(p, v, simt::Order::kRelease);
}
ENGINE_PTX std::uint32_t add_release(std::uint32_t* p, std::uint32_t v) {
  return simt::modify(
      p, [=](std::uint32_t old) { return old + v; }, simt::Order::kRelease);
}
ENGINE_PTX std::uint32_t add_acquire_release(std::uint32_t* p, std::uint32_t v) {
  return simt::modify(
      p, [=](std::uint32_t old) { return old + v; }, simt::Order::kAcquireRelease);
}

}  // namespace engine::ptx
