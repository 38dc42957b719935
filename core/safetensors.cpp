#include "engine/core/safetensors.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <functional>
#include <limits>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/core/errors.h"
#include "engine/core/safetensors_header.h"

namespace engine {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little endian");

constexpr std::uint64_t kLengthBytes = 8;

// Bytes of known total length with random access: a file or a buffer.
struct Source {
  std::string name;
  std::uint64_t bytes = 0;
  std::function<void(std::uint64_t offset, std::span<std::uint8_t> out)> read;

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    throw IoError(join("safetensors: ", name, ": ", parts...));
  }
};

class FileDescriptor {
 public:
  explicit FileDescriptor(int value) : value_(value) {}
  ~FileDescriptor() {
    if (value_ >= 0) ::close(value_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

Source source_of(const FileDescriptor& file, const std::filesystem::path& path) {
  Source source{.name = path.string()};
  struct stat status = {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) {
    source.fail("cannot open: ", std::generic_category().message(errno));
  }
  if (!S_ISREG(status.st_mode)) source.fail("is not a regular file");
  source.bytes = static_cast<std::uint64_t>(status.st_size);
  source.read = [&file, name = source.name](std::uint64_t offset, std::span<std::uint8_t> out) {
    while (!out.empty()) {
      const ssize_t count = ::pread(file.get(), out.data(), out.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        throw IoError(join("safetensors: ", name, ": cannot read at byte ", offset, ": ",
                           count < 0 ? std::generic_category().message(errno)
                                     : std::string("the file became shorter")));
      }
      offset += static_cast<std::uint64_t>(count);
      out = out.subspan(static_cast<std::size_t>(count));
    }
  };
  return source;
}

FileDescriptor open_to_read(const std::filesystem::path& path) {
  // Without O_NONBLOCK a pipe of that name would be waited for.
  return FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

struct Layout {
  SafetensorsHeader header;
  std::uint64_t data_begin = 0;
};

Layout read_layout(const Source& source) {
  if (source.bytes < kLengthBytes) {
    source.fail("has ", source.bytes, " bytes, too few for a header");
  }
  std::uint64_t length = 0;
  source.read(0, {reinterpret_cast<std::uint8_t*>(&length), sizeof(length)});
  const std::uint64_t left = source.bytes - kLengthBytes;
  if (length > kMaxSafetensorsHeaderBytes || length > left) {
    source.fail("a header of ", length, " bytes exceeds ",
                length > left ? "what the file has" : "the limit", ", ",
                std::min(left, kMaxSafetensorsHeaderBytes));
  }
  std::string text(length, '\0');
  source.read(kLengthBytes, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  return {parse_safetensors_header(text, left - length, source.name), kLengthBytes + length};
}

void convert_f64(std::span<const double> from, const Tensor& to) {
  std::transform(from.begin(), from.end(), to.span<float>().begin(), [](double value) {
    constexpr double kMax = std::numeric_limits<float>::max();
    // Half a step above the largest f32 is where rounding to nearest goes to infinity.
    constexpr double kOverflow = 0x1.ffffffp127;
    if (value >= kOverflow) return std::numeric_limits<float>::infinity();
    if (value <= -kOverflow) return -std::numeric_limits<float>::infinity();
    return value == value ? static_cast<float>(std::clamp(value, -kMax, kMax))
                          : std::numeric_limits<float>::quiet_NaN();
  });
}

Tensor read_tensor(const Source& source, const SafetensorsHeader::Entry& entry,
                   std::uint64_t data_begin) {
  Tensor tensor = Tensor::empty(entry.shape, loaded_dtype(entry.dtype), Device::cpu());
  const std::uint64_t offset = data_begin + entry.begin;
  const auto count = static_cast<std::size_t>(entry.shape.elements());
  const auto fill = [&](auto& values) {
    const auto bytes = std::as_writable_bytes(std::span(values));
    source.read(offset, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
  };
  if (entry.dtype == FileDType::f64) {
    std::vector<double> values(count);
    fill(values);
    convert_f64(values, tensor);
  } else if (entry.dtype == FileDType::i64) {
    std::vector<std::int64_t> values(count);
    fill(values);
    std::transform(values.begin(), values.end(), tensor.span<std::int32_t>().begin(),
                   [&](std::int64_t value) {
                     const auto narrow = static_cast<std::int32_t>(value);
                     if (narrow != value) {
                       source.fail("tensor \"", entry.name, "\": ", value, " does not fit an i32");
                     }
                     return narrow;
                   });
  } else {
    auto* bytes = static_cast<std::uint8_t*>(tensor.data());
    source.read(offset, {bytes, static_cast<std::size_t>(entry.end - entry.begin)});
    if (entry.dtype == FileDType::boolean &&
        std::any_of(bytes, bytes + count, [](std::uint8_t byte) { return byte > 1; })) {
      source.fail("tensor \"", entry.name, "\": a BOOL is neither 0 nor 1");
    }
  }
  return tensor;
}

SafetensorsFile read_all(const Source& source) {
  Layout layout = read_layout(source);
  SafetensorsFile file;
  file.metadata = std::move(layout.header.metadata);
  file.tensors.reserve(layout.header.entries.size());
  for (SafetensorsHeader::Entry& entry : layout.header.entries) {
    Tensor tensor = read_tensor(source, entry, layout.data_begin);
    file.tensors.push_back({std::move(entry.name), std::move(tensor)});
  }
  return file;
}

std::span<const std::uint8_t> bytes_of(const void* data, std::size_t count) {
  return {static_cast<const std::uint8_t*>(data), count};
}

bool is_whole(const std::filesystem::path& path) {
  try {
    read_safetensors_metadata(path);
    return true;
  } catch (const IoError&) {
    return false;
  }
}

}  // namespace

const Tensor* SafetensorsFile::find(std::string_view name) const {
  const auto entry = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const Entry& candidate) { return candidate.name == name; });
  return entry == tensors.end() ? nullptr : &entry->tensor;
}

SafetensorsFile read_safetensors(const std::filesystem::path& path) {
  const FileDescriptor file = open_to_read(path);
  return read_all(source_of(file, path));
}

SafetensorsFile parse_safetensors(std::span<const std::uint8_t> bytes, std::string_view name) {
  const auto read = [bytes](std::uint64_t offset, std::span<std::uint8_t> out) {
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
  };
  return read_all({.name = std::string(name), .bytes = bytes.size(), .read = read});
}

std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path) {
  const FileDescriptor file = open_to_read(path);
  return read_layout(source_of(file, path)).header.metadata;
}

void write_safetensors(AtomicFile& out, const SafetensorsFile& file) {
  std::vector<const SafetensorsFile::Entry*> ordered;
  for (const SafetensorsFile::Entry& entry : file.tensors) {
    ENGINE_CHECK(entry.tensor.defined(), "write_safetensors: \"", entry.name, "\" has no content");
    ordered.push_back(&entry);
  }
  std::stable_sort(ordered.begin(), ordered.end(), [](const auto* a, const auto* b) {
    return size_of(a->tensor.dtype()) > size_of(b->tensor.dtype());
  });
  SafetensorsHeader header{.entries = {}, .metadata = file.metadata};
  std::uint64_t end = 0;
  for (const SafetensorsFile::Entry* entry : ordered) {
    const Tensor& tensor = entry->tensor;
    const std::uint64_t begin = end;
    end += static_cast<std::uint64_t>(tensor.bytes());
    header.entries.push_back({entry->name, file_dtype(tensor.dtype()), tensor.shape(), begin, end});
  }
  const std::string text = print_safetensors_header(header);
  const std::uint64_t length = text.size();
  out.write(bytes_of(&length, sizeof(length)));
  out.write(bytes_of(text.data(), text.size()));
  for (const SafetensorsFile::Entry* entry : ordered) {
    const Tensor tensor = entry->tensor.to(Device::cpu());
    out.write(bytes_of(tensor.data(), static_cast<std::size_t>(tensor.bytes())));
  }
}

void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& file) {
  AtomicFile out(path);
  write_safetensors(out, file);
  out.commit();
}

void write_safetensors_keeping_previous(const std::filesystem::path& path,
                                        const SafetensorsFile& file) {
  AtomicFile out(path);
  write_safetensors(out, file);
  out.commit({.previous = is_whole(path) ? previous_of(path) : std::filesystem::path()});
}

std::filesystem::path previous_of(const std::filesystem::path& path) {
  return path.string() + ".previous";
}

std::filesystem::path newest_safetensors(const std::filesystem::path& path) {
  const std::filesystem::path previous = previous_of(path);
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !std::filesystem::exists(previous, error)) return {};
  return is_whole(path) || !is_whole(previous) ? path : previous;
}

}  // namespace engine
