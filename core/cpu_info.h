#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace engine {

// What the processor under this process offers. Every function asks the machine anew.

std::string cpu_model();  // "AMD EPYC 9R14"; "unknown processor" where it has no name

// The vector instruction sets that both the processor and the operating system support, weakest
// first, in Linux's spelling: "avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", ...
std::vector<std::string> cpu_instruction_sets();
bool cpu_has(std::string_view instruction_set);  // whether it is one of these

// Cores that this process may use: those of its affinity mask, a core with two hardware threads
// counted once, and no more than its control group's quota allows. At least 1.
int physical_cores();

// True where bf16 products have instructions of their own (AVX-512 bf16 or AMX bf16).
bool cpu_has_bf16_matrix_units();

}  // namespace engine
