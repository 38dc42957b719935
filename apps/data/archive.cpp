#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <tuple>

#include <archive.h>
#include <archive_entry.h>

#include "engine/apps/data/picture_list.h"
#include "engine/core/errors.h"

namespace engine::apps {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxBytes = std::int64_t{4} << 30;           // of all pictures, encoded
constexpr std::int64_t kMaxPictureBytes = std::int64_t{256} << 20;  // of one
constexpr std::string_view kTestPart = "test";
constexpr std::array<std::string_view, 4> kEndings = {".tar.gz", ".tgz", ".tar", ".zip"};

bool has_archive_extension(const fs::path& path) {
  const std::string name = path.filename().string();
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

struct CloseArchive {
  void operator()(archive* handle) const { archive_read_free(handle); }
};

// A picture of the archive and the folders that it lies in.
struct Member {
  std::vector<std::string> folders;
  EncodedPicture picture;
};

class ArchiveReader {
 public:
  explicit ArchiveReader(const fs::path& path) : path_(path), archive_(archive_read_new()) {
    archive_read_support_filter_gzip(archive_.get());
    archive_read_support_format_tar(archive_.get());
    archive_read_support_format_zip(archive_.get());
    check(archive_read_open_filename(archive_.get(), path.c_str(), 1 << 18));
  }

  std::vector<Member> pictures() {
    std::vector<Member> members;
    std::int64_t total = 0;
    archive_entry* entry = nullptr;
    while (next(&entry)) {
      const char* name = archive_entry_pathname(entry);
      if (name == nullptr || archive_entry_filetype(entry) != AE_IFREG) continue;
      const fs::path path = fs::path(name).lexically_normal();
      if (!has_picture_extension(path) || is_hidden(path)) continue;
      Member member;
      for (const fs::path& part : path.parent_path()) member.folders.push_back(part.string());
      member.picture.name = path.generic_string();
      member.picture.bytes = read_data(member.picture.name);
      total += static_cast<std::int64_t>(member.picture.bytes.size());
      if (total > kMaxBytes) throw IoError(join(path_.string(), ": holds more than 4 GiB"));
      if (!member.folders.empty()) members.push_back(std::move(member));
    }
    return members;
  }

 private:
  static bool is_hidden(const fs::path& path) {
    return std::any_of(path.begin(), path.end(),
                       [](const fs::path& part) { return part.string().starts_with('.'); });
  }

  bool next(archive_entry** entry) {
    const int code = archive_read_next_header(archive_.get(), entry);
    if (code == ARCHIVE_EOF) return false;
    check(code);
    return true;
  }

  // The size that a header states is not trusted: the data is taken as it comes.
  std::vector<std::uint8_t> read_data(const std::string& name) {
    std::vector<std::uint8_t> bytes;
    while (true) {
      const void* block = nullptr;
      std::size_t size = 0;
      la_int64_t offset = 0;
      const int code = archive_read_data_block(archive_.get(), &block, &size, &offset);
      if (code == ARCHIVE_EOF) return bytes;
      check(code);
      if (offset != static_cast<la_int64_t>(bytes.size()) ||
          static_cast<std::int64_t>(bytes.size() + size) > kMaxPictureBytes) {
        throw IoError(join(path_.string(), ": ", name, ": sparse, or above 256 MiB"));
      }
      const auto* begin = static_cast<const std::uint8_t*>(block);
      bytes.insert(bytes.end(), begin, begin + size);
    }
  }

  void check(int code) const {
    if (code >= ARCHIVE_WARN) return;
    const char* reason = archive_error_string(archive_.get());
    throw IoError(join(path_.string(),
                       ": damaged or no archive: ", reason == nullptr ? "unknown reason" : reason));
  }

  const fs::path& path_;
  std::unique_ptr<archive, CloseArchive> archive_;
};

// How many of the outer folders all members have in common.
std::size_t common_folders(const std::vector<Member>& members) {
  std::size_t common = members[0].folders.size() - 1;
  for (const Member& member : members) {
    std::size_t same = 0;
    while (same < common && same + 1 < member.folders.size() &&
           member.folders[same] == members[0].folders[same]) {
      ++same;
    }
    common = same;
  }
  return common;
}

bool has_parts(const std::vector<Member>& members, std::size_t root) {
  return std::all_of(members.begin(), members.end(), [&](const Member& member) {
    const std::string& part = member.folders[root];
    return member.folders.size() > root + 1 && (part == "train" || part == kTestPart);
  });
}

std::vector<std::string> class_names(const fs::path& path, const std::set<std::string>& found,
                                     const DatasetOptions& options) {
  if (options.classes.empty()) {
    ENGINE_CHECK(found.size() > 1, path.string(), ": only one class, '", *found.begin(),
                 "'; to tell classes apart at least two are needed");
    return {found.begin(), found.end()};
  }
  for (const std::string& name : found) {
    const bool known =
        std::find(options.classes.begin(), options.classes.end(), name) != options.classes.end();
    ENGINE_CHECK(known, path.string(), ": its class '", name, "' is none of the model's");
  }
  return options.classes;
}

}  // namespace

fs::path find_archive(const fs::path& path) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) return has_archive_extension(path) ? path : fs::path();
  fs::path found;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (entry.path().filename().string().starts_with('.')) continue;
    if (entry.is_directory(error)) return {};
    if (!has_archive_extension(entry.path())) continue;
    if (!found.empty()) return {};
    found = entry.path();
  }
  return found;
}

ImageDataset load_archive(const fs::path& path, const DatasetOptions& options) {
  const fs::path file = find_archive(path);
  if (file.empty()) throw IoError(join(path.string(), ": no archive (.tar.gz, .tgz, .tar, .zip)"));
  std::vector<Member> members = ArchiveReader(file).pictures();
  if (members.empty()) {
    throw IoError(join(file.string(), ": no folders with pictures (jpg, jpeg, png, ppm, pgm)"));
  }
  const std::size_t root = common_folders(members);
  const bool is_parted = has_parts(members, root);
  const std::size_t class_at = root + (is_parted ? 1 : 0);
  const auto is_test = [&](const Member& member) {
    return is_parted && member.folders[root] == kTestPart;
  };
  std::set<std::string> found;
  for (const Member& member : members) found.insert(member.folders[class_at]);
  std::vector<std::string> classes = class_names(file, found, options);
  for (Member& member : members) {
    const auto at = std::find(classes.begin(), classes.end(), member.folders[class_at]);
    member.picture.label = static_cast<std::int32_t>(at - classes.begin());
  }
  std::sort(members.begin(), members.end(), [&](const Member& a, const Member& b) {
    return std::tuple(is_test(a), a.picture.label, a.picture.name) <
           std::tuple(is_test(b), b.picture.label, b.picture.name);
  });

  DatasetOptions completed = options;
  if (completed.channels == 0) completed.channels = 3;
  if (completed.height == 0 || completed.width == 0) {
    const EncodedPicture& first = members[0].picture;
    const Image image = decode_image(first.bytes, first.name);
    if (completed.height == 0) completed.height = image.height;
    if (completed.width == 0) completed.width = image.width;
  }
  std::vector<EncodedPicture> pictures;
  std::set<std::string> test_names;
  for (Member& member : members) {
    if (is_test(member)) test_names.insert(member.picture.name);
    pictures.push_back(std::move(member.picture));
  }
  ImageDataset dataset = decode_pictures(pictures, std::move(classes), completed);
  // Damaged pictures may have gone from either part.
  const auto begin = std::find_if(dataset.names.begin(), dataset.names.end(),
                                  [&](const auto& name) { return test_names.contains(name); });
  if (begin != dataset.names.begin() && begin != dataset.names.end()) {
    dataset.test_begin = begin - dataset.names.begin();
  }
  return dataset;
}

}  // namespace engine::apps
