#include "engine/core/safetensors_header.h"

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_set>

#include <nlohmann/json.hpp>

#include "engine/core/errors.h"

namespace engine {
namespace {

using nlohmann::json;

struct FileDTypeRow {
  FileDType dtype;
  std::string_view text;
  std::int64_t bytes;
  DType loaded;
};
constexpr std::array<FileDTypeRow, 8> kFileDTypes = {{
    {FileDType::f32, "F32", 4, DType::f32},
    {FileDType::bf16, "BF16", 2, DType::bf16},
    {FileDType::f16, "F16", 2, DType::f16},
    {FileDType::i32, "I32", 4, DType::i32},
    {FileDType::u8, "U8", 1, DType::u8},
    {FileDType::boolean, "BOOL", 1, DType::boolean},
    {FileDType::f64, "F64", 8, DType::f32},
    {FileDType::i64, "I64", 8, DType::i32},
}};

const FileDTypeRow& row_of(FileDType dtype) {
  return kFileDTypes[static_cast<std::size_t>(dtype)];
}

// Names come from the file: an error shows the beginning of a long one.
std::string in_quotes(std::string_view name) {
  constexpr std::size_t kShown = 120;
  return join('"', name.substr(0, kShown), name.size() > kShown ? "...\"" : "\"");
}

// Takes the header's events one by one and refuses whatever does not belong, so that nothing is
// built from a hostile header and nesting is bounded by the places there are.
class HeaderEvents {
 public:
  HeaderEvents(std::uint64_t data_bytes, std::string_view file)
      : data_bytes_(data_bytes), file_(file) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool null() { return unexpected("null"); }
  bool boolean(bool) { return unexpected("a boolean"); }
  bool number_float(double, const std::string& text) { return unexpected("the number " + text); }
  bool number_integer(std::int64_t value) {
    return unexpected(join("the negative number ", value));
  }
  bool binary(json::binary_t&) { return unexpected("binary data"); }

  bool number_unsigned(std::uint64_t value) {
    if (place_ == Place::shape) {
      add_extent(value);
    } else if (place_ == Place::offsets) {
      if (++offset_count_ > 2) fail(where(), "data_offsets has more than two numbers");
      (offset_count_ == 1 ? entry_.begin : entry_.end) = value;
    } else {
      unexpected(join("the number ", value));
    }
    return true;
  }

  bool string(std::string& value) {
    if (place_ == Place::metadata) {
      header_.metadata[key_] = value;
    } else if (place_ == Place::entry && key_ == "dtype") {
      set_dtype(value);
    } else {
      unexpected("the string " + in_quotes(value));
    }
    return true;
  }

  bool start_object(std::size_t) {
    if (place_ == Place::start) {
      place_ = Place::top;
    } else if (place_ == Place::top && key_ == kMetadataKey) {
      place_ = Place::metadata;
    } else if (place_ == Place::top) {
      place_ = Place::entry;
      entry_ = {.name = key_};
      extents_.clear();
      offset_count_ = 0;
      seen_dtype_ = seen_shape_ = seen_offsets_ = false;
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool key(std::string& key) {
    if (place_ == Place::top) {
      if (const char* fault = name_fault(key)) fail("a tensor's name ", fault);
      if (!names_.insert(key).second) fail(in_quotes(key), " occurs twice");
    } else if (place_ == Place::metadata) {
      if (header_.metadata.contains(key)) fail("metadata ", in_quotes(key), " occurs twice");
    } else {
      bool* seen = key == "dtype"          ? &seen_dtype_
                   : key == "shape"        ? &seen_shape_
                   : key == "data_offsets" ? &seen_offsets_
                                           : nullptr;
      if (seen == nullptr) fail(where(), "has the unknown key ", in_quotes(key));
      if (std::exchange(*seen, true)) fail(where(), "has the key ", in_quotes(key), " twice");
    }
    key_ = key;
    return true;
  }

  bool end_object() {
    if (place_ == Place::entry) finish_entry();
    place_ = place_ == Place::top ? Place::end : Place::top;
    return true;
  }

  bool start_array(std::size_t) {
    if (place_ == Place::entry && key_ == "shape") {
      place_ = Place::shape;
    } else if (place_ == Place::entry && key_ == "data_offsets") {
      place_ = Place::offsets;
    } else {
      unexpected("an array");
    }
    return true;
  }

  bool end_array() {
    if (place_ == Place::offsets && offset_count_ != 2) {
      fail(where(), "data_offsets needs two numbers");
    }
    place_ = Place::entry;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const json::exception&) {
    fail("the header is not valid JSON at its byte ", position);
  }

  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    throw IoError(join("safetensors: ", file_, ": ", parts...));
  }

 private:
  enum class Place { start, top, metadata, entry, shape, offsets, end };

  std::string where() const { return join("tensor ", in_quotes(entry_.name), ": "); }

  [[noreturn]] bool unexpected(const std::string& what) const {
    switch (place_) {
      case Place::start:
      case Place::end:
        fail("the header is not an object but ", what);
      case Place::top:
        fail(in_quotes(key_), " is not an object but ", what);
      case Place::metadata:
        fail("metadata ", in_quotes(key_), " is not a string but ", what);
      case Place::entry:
      case Place::shape:
      case Place::offsets:
        fail(where(), key_, " holds ", what);
    }
    fail("unexpected ", what);
  }

  void add_extent(std::uint64_t value) {
    if (extents_.size() == kMaxRank) fail(where(), "has more than ", kMaxRank, " axes");
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      fail(where(), "extent ", value, " is too large");
    }
    extents_.push_back(static_cast<std::int64_t>(value));
  }

  void set_dtype(std::string_view text) {
    const auto* row = std::find_if(kFileDTypes.begin(), kFileDTypes.end(),
                                   [&](const FileDTypeRow& r) { return r.text == text; });
    if (row == kFileDTypes.end()) {
      fail(where(), "dtype ", in_quotes(text), " is none of F32 BF16 F16 I32 U8 BOOL F64 I64");
    }
    entry_.dtype = row->dtype;
  }

  void finish_entry() {
    if (!seen_dtype_) fail(where(), "has no dtype");
    if (!seen_shape_) fail(where(), "has no shape");
    if (!seen_offsets_) fail(where(), "has no data_offsets");
    if (entry_.begin > entry_.end || entry_.end > data_bytes_) {
      fail(where(), "data_offsets ", entry_.begin, " to ", entry_.end, " lie outside the ",
           data_bytes_, " bytes of data");
    }
    // Extents of zero count as one here: the product of the others must not be too large either.
    std::int64_t bytes = row_of(entry_.dtype).bytes, elements = 1;
    bool is_empty = false;
    for (const std::int64_t extent : extents_) {
      is_empty = is_empty || extent == 0;
      if (__builtin_mul_overflow(bytes, std::max<std::int64_t>(extent, 1), &bytes)) {
        fail(where(), "its shape has more bytes than 64 bits can count");
      }
      elements *= std::max<std::int64_t>(extent, 1);
      if (elements > kMaxElements) {
        fail(where(), "its shape has more than ", kMaxElements, " elements");
      }
    }
    entry_.shape = Shape(std::span<const std::int64_t>(extents_));
    const auto needed = is_empty ? 0 : static_cast<std::uint64_t>(bytes);
    if (needed != entry_.end - entry_.begin) {
      fail(where(), row_of(entry_.dtype).text, entry_.shape, " needs ", needed,
           " bytes, data_offsets give ", entry_.end - entry_.begin);
    }
    header_.entries.push_back(std::move(entry_));
  }

  std::uint64_t data_bytes_;
  std::string_view file_;
  SafetensorsHeader header_;
  Place place_ = Place::start;
  std::string key_;
  std::unordered_set<std::string> names_;
  SafetensorsHeader::Entry entry_;
  std::vector<std::int64_t> extents_;
  int offset_count_ = 0;
  bool seen_dtype_ = false;
  bool seen_shape_ = false;
  bool seen_offsets_ = false;
};

// Throws where `text` is not UTF-8.
std::string printed(const std::string& text, std::string_view what) {
  try {
    return json(text).dump();
  } catch (const json::exception&) {
    throw InvalidArgument(join("write_safetensors: ", what, " is not UTF-8"));
  }
}

}  // namespace

FileDType file_dtype(DType dtype) {
  const auto* row = std::find_if(kFileDTypes.begin(), kFileDTypes.end(),
                                 [&](const FileDTypeRow& r) { return r.loaded == dtype; });
  return row->dtype;
}

DType loaded_dtype(FileDType dtype) {
  return row_of(dtype).loaded;
}

std::int64_t size_of(FileDType dtype) {
  return row_of(dtype).bytes;
}

const char* name_fault(std::string_view name) {
  if (name.empty()) return "is empty";
  const bool has_control = std::any_of(name.begin(), name.end(), [](char letter) {
    const auto byte = static_cast<unsigned char>(letter);
    return byte < 0x20 || byte == 0x7f;
  });
  return has_control ? "holds a control character" : nullptr;
}

SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t data_bytes,
                                           std::string_view file) {
  HeaderEvents events(data_bytes, file);
  // The parser would skip a byte order mark and spaces; the format has none.
  if (!text.starts_with('{')) events.fail("the header does not begin with {");
  json::sax_parse(text.begin(), text.end(), &events);
  SafetensorsHeader header = events.take();
  std::stable_sort(header.entries.begin(), header.entries.end(), [](const auto& a, const auto& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  std::uint64_t covered = 0;
  for (const SafetensorsHeader::Entry& entry : header.entries) {
    if (entry.begin != covered) {
      events.fail("tensor ", in_quotes(entry.name), ": begins at byte ", entry.begin,
                  " of the data, the one before ends at ", covered);
    }
    covered = entry.end;
  }
  if (covered != data_bytes) {
    events.fail("the tensors cover ", covered, " of ", data_bytes, " bytes of data");
  }
  return header;
}

std::string print_safetensors_header(const SafetensorsHeader& header) {
  std::string text = "{";
  const auto separate = [&] {
    if (text.back() != '{') text += ',';
  };
  if (!header.metadata.empty()) {
    text += join('"', kMetadataKey, "\":{");
    for (const auto& [key, value] : header.metadata) {
      separate();
      text += printed(key, "a metadata key") + ":" + printed(value, "metadata " + in_quotes(key));
    }
    text += '}';
  }
  std::unordered_set<std::string_view> names;
  for (const SafetensorsHeader::Entry& entry : header.entries) {
    const char* fault = name_fault(entry.name);
    ENGINE_CHECK(fault == nullptr, "write_safetensors: a tensor's name ", fault);
    ENGINE_CHECK(entry.name != kMetadataKey && names.insert(entry.name).second,
                 "write_safetensors: the name ", in_quotes(entry.name), " is taken");
    separate();
    text += printed(entry.name, "a tensor's name");
    text += join(":{\"dtype\":\"", row_of(entry.dtype).text, "\",\"shape\":",
                 json(std::vector<std::int64_t>(entry.shape.begin(), entry.shape.end())),
                 ",\"data_offsets\":[", entry.begin, ",", entry.end, "]}");
  }
  text += '}';
  text.resize((text.size() + 7) / 8 * 8, ' ');
  ENGINE_CHECK(text.size() <= kMaxSafetensorsHeaderBytes, "write_safetensors: the header has ",
               text.size(), " bytes, the format's limit is ", kMaxSafetensorsHeaderBytes);
  return text;
}

}  // namespace engine
