#include "symbols.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string_view>
#include <unordered_map>

#include <cxxabi.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "simt/control.h"
#include "simt/operations.h"

extern "C" const char __executable_start[], _end[];

namespace engine::simt {
namespace {

// Kernel files are compiled with protected visibility, which tells their weak symbols (of
// templates) from all others; local symbols follow the name of their file.
std::vector<Symbol> read_symbols() {
  std::vector<Symbol> found;
  const int file = open("/proc/self/exe", O_RDONLY);
  struct stat status {};
  if (file < 0 || fstat(file, &status) != 0) return found;
  const auto bytes = static_cast<std::size_t>(status.st_size);
  void* const mapped = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (mapped == MAP_FAILED) return found;
  const char* const base = static_cast<const char*>(mapped);
  const auto* header = reinterpret_cast<const ElfW(Ehdr)*>(base);
  const auto* sections = reinterpret_cast<const ElfW(Shdr)*>(base + header->e_shoff);
  for (int i = 0; i < header->e_shnum; i++) {
    if (sections[i].sh_type != SHT_SYMTAB) continue;
    const auto* table = reinterpret_cast<const ElfW(Sym)*>(base + sections[i].sh_offset);
    const char* const names = base + sections[sections[i].sh_link].sh_offset;
    bool in_kernel_file = false;
    for (std::size_t k = 0; k < sections[i].sh_size / sizeof *table; k++) {
      const ElfW(Sym)& entry = table[k];
      const int type = ELF64_ST_TYPE(entry.st_info);
      const char* const name = names + entry.st_name;
      if (type == STT_FILE) in_kernel_file = std::string_view(name).ends_with(".cu");
      if ((type != STT_FUNC && type != STT_TLS) || entry.st_shndx == SHN_UNDEF) continue;
      const bool local = ELF64_ST_BIND(entry.st_info) == STB_LOCAL;
      const bool marked = ELF64_ST_VISIBILITY(entry.st_other) == STV_PROTECTED;
      found.push_back({entry.st_value, entry.st_size, type == STT_FUNC, type == STT_TLS,
                       marked || (local && in_kernel_file), name});
    }
  }
  munmap(mapped, bytes);
  return found;
}

}  // namespace

const std::vector<Symbol>& symbols() {
  static const std::vector<Symbol> all = read_symbols();
  return all;
}

const Image& image() {
  static const Image own = [] {
    const auto low = reinterpret_cast<std::uintptr_t>(__executable_start);
    const auto* header = reinterpret_cast<const ElfW(Ehdr)*>(low);
    return Image{low, reinterpret_cast<std::uintptr_t>(_end), header->e_type == ET_DYN ? low : 0};
  }();
  return own;
}

std::string demangle(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), std::free);
  return text ? text.get() : name;
}

// "void engine::(anonymous namespace)::fill<float>(float*)" -> "engine::fill<float>"
static std::string without_parameters(std::string_view text) {
  constexpr std::string_view kVoid = "void ", kAnonymous = "(anonymous namespace)::";
  if (text.starts_with(kVoid)) text.remove_prefix(kVoid.size());
  std::string name;
  int depth = 0;  // of template arguments, which may have parentheses of their own
  while (!text.empty()) {
    if (text.starts_with(kAnonymous)) {
      text.remove_prefix(kAnonymous.size());
      continue;
    }
    const char next = text.front();
    if (next == '(' && depth == 0) break;
    if (next == '<') depth++;
    if (next == '>') depth--;
    name += next;
    text.remove_prefix(1);
  }
  return name;
}

const char* kernel_name(const void* function) {
  static std::map<const void*, std::string> known;
  std::string& name = known[function];
  if (!name.empty()) return name.c_str();
  name.assign(1, '?');
  for (const Symbol& symbol : symbols()) {
    if (!symbol.is_function ||
        symbol.value + image().bias != reinterpret_cast<std::uintptr_t>(function)) {
      continue;
    }
    name = without_parameters(demangle(symbol.name));
    break;
  }
  return name.c_str();
}

const std::set<std::string>& linked_kernels() {
  static const std::set<std::string> names = [] {
    std::set<std::string> found;
    for (const Symbol& symbol : symbols()) {
      // A dot: a part that the compiler split off.
      if (!symbol.is_function || !symbol.is_kernel_data ||
          symbol.name.find('.') != symbol.name.npos) {
        continue;
      }
      const std::string text = demangle(symbol.name);
      std::string name = without_parameters(text);
      // Names of templates come with what they return; make_kernel<...>() is not one.
      const std::size_t arguments = name.find('<');
      const bool returns_nothing = arguments == name.npos || text.starts_with("void ");
      if (returns_nothing && std::string_view(name).substr(0, arguments).ends_with("_kernel")) {
        found.insert(std::move(name));
      }
    }
    return found;
  }();
  return names;
}

std::uint32_t relative_pc(const void* pc) {
  if (!image().contains(pc)) return 0;
  return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(pc) - image().low);
}

std::string source_line(std::uint32_t relative_pc) {
  static std::unordered_map<std::uint32_t, std::string> known;
  if (relative_pc == 0) return "?";
  std::string& place = known[relative_pc];
  if (!place.empty()) return place;
  place.assign(1, '?');
  // The call is the instruction before the return address.
  const std::uintptr_t address = image().low + relative_pc - 1 - image().bias;
  char command[128];
  std::snprintf(command, sizeof command, "addr2line -i -s -e /proc/%d/exe 0x%zx", getpid(),
                static_cast<std::size_t>(address));
  FILE* const pipe = popen(command, "r");
  if (!pipe) return place;
  char line[512];
  while (std::fgets(line, sizeof line, pipe)) {  // from the innermost inlined function outwards
    line[std::strcspn(line, "\n (")] = 0;
    const bool in_kernel = place.find(".cu:") != std::string::npos;
    if (place == "?" || !in_kernel) place = line;
  }
  pclose(pipe);
  return place;
}

}  // namespace engine::simt
