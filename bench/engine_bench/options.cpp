#include "bench/engine_bench/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "bench/engine_bench/shapes.h"
#include "engine/core/errors.h"

namespace engine::bench {
namespace {

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

template <class Number>
Number number(const std::string& option, const std::string& text, Number least) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  ENGINE_CHECK(result.ec == std::errc() && result.ptr == end && value >= least &&
                   std::isfinite(static_cast<double>(value)),
               option, ": \"", text, "\" is not a number of at least ", least);
  return value;
}

std::vector<Pass> passes_of(const std::string& text) {
  std::vector<Pass> passes;
  for (const std::string& word : split(text)) {
    const auto before = passes.size();
    for (const Pass pass : {Pass::forward, Pass::backward_data, Pass::backward_weights}) {
      if (word == name_of(pass)) passes.push_back(pass);
    }
    ENGINE_CHECK(passes.size() > before, "--pass: \"", word,
                 "\" is none of forward, backward_data, backward_weights");
  }
  return passes;
}

std::vector<MathMode> modes_of(const std::string& text) {
  std::vector<MathMode> modes;
  for (const std::string& word : split(text)) {
    const auto found = std::find_if(std::begin(kMathModes), std::end(kMathModes),
                                    [&](MathMode mode) { return word == name_of(mode); });
    ENGINE_CHECK(found != std::end(kMathModes), "--dtype: \"", word,
                 "\" is none of f32, tf32, bf16, f16");
    modes.push_back(*found);
  }
  return modes;
}

void set_shard(const std::string& text, Options& options) {
  const std::size_t slash = text.find('/');
  ENGINE_CHECK(slash != std::string::npos, "--shard: \"", text, "\" is not i/n, as in 1/4");
  options.shard = number("--shard", text.substr(0, slash), 1);
  options.shards = number("--shard", text.substr(slash + 1), 1);
  ENGINE_CHECK(options.shard <= options.shards, "--shard: ", options.shard, " of ", options.shards);
}

constexpr const char* kFamilies[] = {"conv2d", "linear", "memory", "style"};

std::vector<std::string> families_of(const std::string& text) {
  const std::vector<std::string> families = split(text);
  for (const std::string& family : families) {
    ENGINE_CHECK(
        std::find(std::begin(kFamilies), std::end(kFamilies), family) != std::end(kFamilies),
        "--family: \"", family, "\" is none of conv2d, linear, memory, style");
  }
  return families;
}

const std::map<std::string, bool Options::*> kFlags = {{"--list", &Options::is_list},
                                                       {"--quick", &Options::is_quick},
                                                       {"--help", &Options::is_help},
                                                       {"--continue", &Options::is_continued}};

using Setter = void (*)(Options& options, const std::string& value);
const std::map<std::string, Setter> kSetters = {
    {"--device", [](auto& o, auto& v) { o.device = v; }},
    {"--threads", [](auto& o, auto& v) { o.threads = number("--threads", v, 0); }},
    {"--conv",
     [](auto& o, auto& v) {
       for (const Conv2dProblem& problem : parse_conv_shapes(v)) o.convs.push_back(problem);
     }},
    {"--shapes", [](auto& o, auto& v) { o.shapes = v; }},
    {"--set", [](auto& o, auto& v) { o.sets = split(v); }},
    {"--family", [](auto& o, auto& v) { o.families = families_of(v); }},
    {"--pass", [](auto& o, auto& v) { o.passes = passes_of(v); }},
    {"--dtype", [](auto& o, auto& v) { o.modes = modes_of(v); }},
    {"--filter", [](auto& o, auto& v) { o.filter = v; }},
    {"--shard", [](auto& o, auto& v) { set_shard(v, o); }},
    {"--seconds", [](auto& o, auto& v) { o.seconds = number("--seconds", v, 0.0); }},
    {"--time-limit", [](auto& o, auto& v) { o.time_limit = number("--time-limit", v, 0.0); }},
    {"--scratch-mib",
     [](auto& o, auto& v) { o.scratch_mib = number<std::int64_t>("--scratch-mib", v, 0); }},
    {"--json", [](auto& o, auto& v) { o.json = v; }},
    {"--compare", [](auto& o, auto& v) { o.compare = v; }},
    {"--with", [](auto& o, auto& v) { o.with = v; }}};

}  // namespace

std::string help_text() {
  return R"(engine_bench: our kernels beside the best that cuDNN (on a GPU) or oneDNN (on a CPU) has.

What
  --device auto|cpu|cuda[:i]   where; --threads N for the CPU
  --conv n=32,h=56,c=64,k=64,r=3   this convolution and nothing else; may be repeated. Keys: n h w c k r s
                               pad pad_w stride stride_w dilation dilation_w groups; n=1/32 is two shapes
  --shapes PATH                a file or folder of such lines (default: bench/shapes of the source)
  --set NAME,...               files of that folder (default: quick on the CPU, all but quick on a GPU)
  --family conv2d,linear,memory,style   convolutions; products of our own beside cuBLASLt; pooling, activation,
                               batch norm, optimizer updates; Gram matrices, total variation, L-BFGS, resizing
                               and what else style transfer needs
  --pass forward,backward_data,backward_weights
  --dtype f32,tf32,bf16,f16    tf32: f32 tensors, whose factors both sides may round to tf32; tf32 and f16
                               convolutions on a GPU only (default: f32, and bf16 where there are units for it)
  --filter REGEX               rows whose name holds it
  --shard I/N                  every N-th row, beginning with the I-th
  --list                       print the rows and their classes, run nothing

How
  --seconds S                  of measurement for a row (1)      --quick   0.1, set quick, few cuDNN engines
  --time-limit S               begin no row after S seconds; --continue adds what --json's file lacks
  --scratch-mib N              workspace that the peer may use (256), or as much as ours takes
  --no-peer                    ours alone

Output: a table, losses first; then geometric means for the three classes of shapes.
  --json FILE                  the same for programs, written after every row
  --compare OLD.json           afterwards: old and new times of the same rows; exit code 3 when some are slower
  --compare OLD.json --with NEW.json   that alone, without a run
  --benchmark_*                Google Benchmark's own options, as --benchmark_out=FILE
Exit code 4: an error of ours is larger than rounding allows.
)";
}

Options parse_options(const std::vector<std::string>& words, const std::filesystem::path& shapes) {
  Options options;
  options.shapes = shapes;
  // Before --seconds, wherever that stands.
  if (std::find(words.begin(), words.end(), "--quick") != words.end()) options.seconds = 0.1;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const std::size_t equals = word.find('=');
    const std::string key = word.substr(0, equals);
    if (word.starts_with("--benchmark_")) {
      options.google.push_back(word);
    } else if (word == "--no-peer") {
      options.has_peer = false;
    } else if (const auto flag = kFlags.find(word); flag != kFlags.end()) {
      options.*flag->second = true;
    } else {
      const auto setter = kSetters.find(key);
      ENGINE_CHECK(setter != kSetters.end(), "engine_bench: unknown option ", word, "; see --help");
      ENGINE_CHECK(equals != std::string::npos || i + 1 < words.size(), key, " needs a value");
      setter->second(options, equals == std::string::npos ? words[++i] : word.substr(equals + 1));
    }
  }
  ENGINE_CHECK(!options.with || options.compare, "--with goes with --compare");
  ENGINE_CHECK(!options.is_continued || options.json, "--continue goes with --json");
  return options;
}

}  // namespace engine::bench
