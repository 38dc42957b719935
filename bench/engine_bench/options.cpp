#include "bench/engine_bench/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
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

std::vector<DType> dtypes_of(const std::string& text) {
  std::vector<DType> dtypes;
  for (const std::string& word : split(text)) {
    ENGINE_CHECK(word == "f32" || word == "bf16", "--dtype: \"", word,
                 "\" is neither f32 nor bf16");
    dtypes.push_back(word == "f32" ? DType::f32 : DType::bf16);
  }
  return dtypes;
}

void set_shard(const std::string& text, Options& options) {
  const std::size_t slash = text.find('/');
  ENGINE_CHECK(slash != std::string::npos, "--shard: \"", text, "\" is not i/n, as in 1/4");
  options.shard = number("--shard", text.substr(0, slash), 1);
  options.shards = number("--shard", text.substr(slash + 1), 1);
  ENGINE_CHECK(options.shard <= options.shards, "--shard: ", options.shard, " of ", options.shards);
}

}  // namespace

std::string help_text() {
  return R"(engine_bench: our kernels beside the best that cuDNN (on a GPU) or oneDNN (on a CPU) has.

What
  --device auto|cpu|cuda[:i]   where; --threads N for the CPU
  --conv n=32,h=56,c=64,k=64,r=3   this convolution and nothing else; may be repeated. Keys: n h w c k r s
                               pad pad_w stride stride_w dilation dilation_w groups; n=1/32 is two shapes
  --shapes PATH                a file or folder of such lines (default: bench/shapes of the source)
  --set NAME,...               files of that folder (default: quick on the CPU, all but quick on a GPU)
  --family conv2d,memory       convolutions; pooling, activation, batch norm, optimizer updates
  --pass forward,backward_data,backward_weights     --dtype f32,bf16
  --filter REGEX               rows whose name holds it
  --shard I/N                  every N-th row, beginning with the I-th
  --list                       print the rows and their classes, run nothing

How
  --seconds S                  of measurement for a row (1)      --quick   0.1, set quick, few cuDNN engines
  --time-limit S               begin no row after S seconds; --continue adds what --json's file lacks
  --scratch-mib N              workspace that the peer may use (256)
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
  bool has_seconds = false;
  const std::map<std::string, bool*> flags = {{"--list", &options.is_list},
                                              {"--quick", &options.is_quick},
                                              {"--help", &options.is_help},
                                              {"--continue", &options.is_continued}};
  const std::map<std::string, std::function<void(const std::string&)>> valued = {
      {"--device", [&](auto& v) { options.device = v; }},
      {"--threads", [&](auto& v) { options.threads = number("--threads", v, 0); }},
      {"--conv",
       [&](auto& v) {
         for (const auto& problem : parse_conv_shapes(v)) options.convs.push_back(problem);
       }},
      {"--shapes", [&](auto& v) { options.shapes = v; }},
      {"--set", [&](auto& v) { options.sets = split(v); }},
      {"--family",
       [&](auto& v) {
         options.families = split(v);
         for (const auto& family : options.families) {
           ENGINE_CHECK(family == "conv2d" || family == "memory", "--family: \"", family,
                        "\" is neither conv2d nor memory");
         }
       }},
      {"--pass", [&](auto& v) { options.passes = passes_of(v); }},
      {"--dtype", [&](auto& v) { options.dtypes = dtypes_of(v); }},
      {"--filter", [&](auto& v) { options.filter = v; }},
      {"--shard", [&](auto& v) { set_shard(v, options); }},
      {"--seconds",
       [&](auto& v) {
         options.seconds = number("--seconds", v, 0.0);
         has_seconds = true;
       }},
      {"--time-limit", [&](auto& v) { options.time_limit = number("--time-limit", v, 0.0); }},
      {"--scratch-mib",
       [&](auto& v) { options.scratch_mib = number<std::int64_t>("--scratch-mib", v, 0); }},
      {"--json", [&](auto& v) { options.json = v; }},
      {"--compare", [&](auto& v) { options.compare = v; }},
      {"--with", [&](auto& v) { options.with = v; }}};
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const std::size_t equals = word.find('=');
    const std::string key = word.substr(0, equals);
    if (word.starts_with("--benchmark_")) {
      options.google.push_back(word);
    } else if (word == "--no-peer") {
      options.has_peer = false;
    } else if (const auto flag = flags.find(word); flag != flags.end()) {
      *flag->second = true;
    } else {
      const auto option = valued.find(key);
      ENGINE_CHECK(option != valued.end(), "engine_bench: unknown option ", word, "; see --help");
      ENGINE_CHECK(equals != std::string::npos || i + 1 < words.size(), key, " needs a value");
      option->second(equals == std::string::npos ? words[++i] : word.substr(equals + 1));
    }
  }
  ENGINE_CHECK(!options.with || options.compare, "--with goes with --compare");
  ENGINE_CHECK(!options.is_continued || options.json, "--continue goes with --json");
  if (options.is_quick && !has_seconds) options.seconds = 0.1;
  return options;
}

}  // namespace engine::bench
