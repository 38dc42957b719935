#include <cstdlib>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "device_heap.h"
#include "worker.h"

// Guard pages and the watchdog turn into reports; the launch ends, the process goes on.
namespace engine::simt {
namespace {

constexpr std::size_t kPage = 4096;

Worker* watched = nullptr;
std::uint64_t switches_seen = 0;

void on_fault(int signal_number, siginfo_t* info, void*) {
  const Fiber* fiber = current_fiber;
  if (!fiber) {  // not a kernel's mistake
    signal(signal_number, SIG_DFL);
    raise(signal_number);
    return;
  }
  // fail() never returns here, so the signal has to be unblocked by hand.
  sigset_t unblocked;
  sigemptyset(&unblocked);
  sigaddset(&unblocked, signal_number);
  pthread_sigmask(SIG_UNBLOCK, &unblocked, nullptr);

  const char* const p = static_cast<const char*>(info->si_addr);
  Allocation allocation;
  if (in_device_heap(p)) {
    if (!find_allocation(p, allocation)) {
      fail("out-of-bounds", "global access to unallocated device memory %p", info->si_addr);
    }
    if (!allocation.live) {
      fail("use-after-free", "global access %td bytes into a freed %zu-byte allocation",
           p - allocation.start, allocation.bytes);
    }
    if (p >= allocation.start && p < allocation.start + allocation.bytes) {
      fail("device", "global access to a %zu-byte allocation of cuda:%d, which is another device",
           allocation.bytes, allocation.device);
    }
    if (p < allocation.start) {
      fail("out-of-bounds", "global access %td bytes before a %zu-byte allocation",
           allocation.start - p, allocation.bytes);
    }
    fail("out-of-bounds", "global access %td bytes past the end of a %zu-byte allocation",
         p - (allocation.start + allocation.bytes), allocation.bytes);
  }
  const char* const shared_end = fiber->block->dynamic_shared + fiber->block->dynamic_shared_bytes;
  if (p >= shared_end && p < shared_end + 2 * kPage) {
    fail("out-of-bounds",
         "shared access %td bytes past the end of %u bytes of dynamic shared memory",
         p - shared_end, fiber->block->dynamic_shared_bytes);
  }
  if (p >= fiber->stack_low - kPage && p < fiber->stack_low) {
    fail("stack", "a thread overflowed its stack");
  }
  fail("fault", "signal %d at address %p (not device memory)", signal_number, info->si_addr);
}

void on_alarm(int, siginfo_t*, void*) {
  if (watched && watched->switches != switches_seen) {
    switches_seen = watched->switches;
    alarm(static_cast<unsigned>(config().hang_seconds));
    return;
  }
  if (!current_fiber) return;
  sigset_t unblocked;
  sigemptyset(&unblocked);
  sigaddset(&unblocked, SIGALRM);
  pthread_sigmask(SIG_UNBLOCK, &unblocked, nullptr);
  fail("hang",
       "a thread ran for %d s without reaching a synchronisation point (a polling loop without "
       "__nanosleep()?)",
       config().hang_seconds);
}

}  // namespace

void install_fault_handlers() {
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (int number : {SIGSEGV, SIGBUS, SIGFPE}) sigaction(number, &action, nullptr);
  action.sa_sigaction = on_alarm;
  sigaction(SIGALRM, &action, nullptr);
}

// A fault on a full stack needs another one.
void use_alternate_signal_stack() {
  constexpr std::size_t kBytes = 64 << 10;
  static thread_local char* stack = nullptr;
  if (stack) return;
  stack = static_cast<char*>(std::malloc(kBytes));
  stack_t description{};
  description.ss_sp = stack;
  description.ss_size = kBytes;
  sigaltstack(&description, nullptr);
}

void watch(Worker* worker) {
  watched = worker;
  switches_seen = worker->switches;
  alarm(static_cast<unsigned>(config().hang_seconds));
}

void unwatch() {
  alarm(0);
  watched = nullptr;
}

}  // namespace engine::simt
