#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>

namespace engine {

// Base of everything that the library throws. what() begins with the operation, the offending
// values and the limit in the user's words; then the violated condition; then file:line.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The caller's values are wrong: a shape, a name, an option.
class InvalidArgument : public Error {
 public:
  using Error::Error;
};

// Memory did not suffice; the text lists bytes asked for, bytes free and the largest consumers.
class OutOfMemory : public Error {
 public:
  using Error::Error;
};

class CudaError : public Error {
 public:
  using Error::Error;
};

// A file could not be read or written, or its content is damaged; the text names the file.
class IoError : public Error {
 public:
  using Error::Error;
};

namespace detail {

// A floating number is printed with the fewest digits that read back as the same number.
template <class Part>
void print_part(std::ostream& out, const Part& part) {
  if constexpr (std::floating_point<Part>) {
    char text[64];
    out.write(text, std::to_chars(text, text + sizeof text, part).ptr - text);
  } else {
    out << part;
  }
}

}  // namespace detail

// Concatenates the printed forms of its arguments: the same text under every locale, and different
// numbers have different texts.
template <class... Parts>
std::string join(const Parts&... parts) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  (detail::print_part(out, parts), ...);
  return out.str();
}

namespace detail {
[[noreturn]] void throw_invalid_argument(const std::string& message, const char* condition,
                                         const char* file, int line);
}  // namespace detail

}  // namespace engine

// Throws InvalidArgument with the joined parts when `condition` is false.
#define ENGINE_CHECK(condition, ...)                                                              \
  do {                                                                                            \
    if (!(condition)) {                                                                           \
      ::engine::detail::throw_invalid_argument(::engine::join(__VA_ARGS__), #condition, __FILE__, \
                                               __LINE__);                                         \
    }                                                                                             \
  } while (false)
