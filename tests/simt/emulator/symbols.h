#pragma once

#include <cstdint>
#include <string>
#include <vector>

// The executable's symbol table and debug lines; it must not be stripped.
namespace engine::simt {

struct Symbol {
  std::uint64_t value, bytes;
  bool is_function, is_thread_local;
  bool is_kernel_data;  // of a kernel file
  std::string name;     // mangled
};
const std::vector<Symbol>& symbols();

struct Image {
  std::uintptr_t low, high;
  std::uintptr_t bias;  // runtime address minus symbol value
  bool contains(const void* p) const {
    const auto address = reinterpret_cast<std::uintptr_t>(p);
    return address >= low && address < high;
  }
};
const Image& image();

std::string demangle(const std::string& name);

// A program counter relative to the image (0: unknown) and its "file.cu:line".
std::uint32_t relative_pc(const void* pc);
std::string source_line(std::uint32_t relative_pc);

}  // namespace engine::simt
