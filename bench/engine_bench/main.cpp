// engine_bench --help says what it does.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <regex>
#include <set>

#include "bench/engine_bench/machine.h"
#include "bench/engine_bench/measure.h"
#include "bench/engine_bench/options.h"
#include "bench/engine_bench/run_rows.h"
#include "bench/engine_bench/table.h"

using namespace engine;
using namespace engine::bench;

namespace {

std::vector<Conv2dProblem> chosen_shapes(const Options& options, const Device& device) {
  if (!options.convs.empty()) return options.convs;
  std::vector<std::string> wanted = options.sets;
  if (wanted.empty() && (device.is_cpu() || options.is_quick)) wanted = {"quick"};
  const bool is_file = !std::filesystem::is_directory(options.shapes);
  std::vector<Conv2dProblem> shapes;
  std::set<std::string> found, names;
  for (const ShapeSet& set : read_shape_sets(options.shapes)) {
    const bool is_wanted = is_file || (wanted.empty() ? set.name != "quick"
                                                      : std::find(wanted.begin(), wanted.end(),
                                                                  set.name) != wanted.end());
    if (!is_wanted) continue;
    found.insert(set.name);
    for (const Conv2dProblem& shape : set.shapes) {
      if (names.insert(text_of(shape)).second) shapes.push_back(shape);  // sets overlap
    }
  }
  for (const std::string& name : options.sets) {
    ENGINE_CHECK(found.contains(name), "--set: there is no ", name, ".txt in ",
                 options.shapes.string());
  }
  return shapes;
}

std::vector<Subject> chosen_subjects(const Options& options, const Device& device) {
  std::vector<MathMode> modes = options.modes;
  for (const MathMode mode : modes) {
    ENGINE_CHECK(can_compute(device, mode), "--dtype: ", describe(device), " does not compute in ",
                 name_of(mode), "; f32 and bf16 are for every device");
  }
  if (modes.empty()) {
    modes.push_back(MathMode::f32);
    if (device.has_bf16_matrix_units()) modes.push_back(MathMode::bf16);
  }
  const auto has_family = [&](const char* family) {
    if (options.families.empty()) return family == std::string("conv2d") || options.convs.empty();
    return std::find(options.families.begin(), options.families.end(), family) !=
           options.families.end();
  };
  std::vector<Subject> all;
  if (has_family("conv2d")) {
    all = conv2d_subjects(chosen_shapes(options, device), options.passes, modes);
  }
  if (has_family("linear")) {
    for (Subject& subject : linear_subjects(device, options.passes, modes)) {
      all.push_back(std::move(subject));
    }
  }
  if (has_family("memory")) {
    for (Subject& subject : memory_subjects(modes)) all.push_back(std::move(subject));
  }
  if (has_family("style")) {
    for (Subject& subject : style_subjects(modes)) all.push_back(std::move(subject));
  }
  const std::regex filter(options.filter);
  std::vector<Subject> subjects;
  std::size_t matching = 0;
  for (Subject& subject : all) {
    if (!std::regex_search(subject.name, filter)) continue;
    const bool is_ours = static_cast<int>(matching++ % options.shards) == options.shard - 1;
    if (is_ours) subjects.push_back(std::move(subject));
  }
  return subjects;
}

Setup make_setup(const Options& options, const Device& device) {
  Setup setup{.device = device};
  setup.rotated_bytes = 2 * last_level_cache_bytes(device);
  setup.scratch_limit = options.scratch_mib << 20;
  setup.max_candidates = options.is_quick ? 8 : 0;
  setup.has_peer = options.has_peer;
  setup.effort.seconds = options.seconds;
  if (options.is_quick) setup.effort.min_blocks = 5;
  return setup;
}

Header header_of(const Options& options, const Setup& setup) {
  Header header = machine_header(setup.device);
  header.emplace_back("quick", options.is_quick ? "yes" : "no");
  header.emplace_back("seconds", join(setup.effort.seconds));
  header.emplace_back("peer", setup.has_peer ? "yes" : "no");
  header.emplace_back("rotated_bytes", join(setup.rotated_bytes));
  header.emplace_back("peer_scratch_limit_bytes", join(setup.scratch_limit));
  return header;
}

// No rows under a header and ceilings measured now; or, with --continue, what an earlier run left
// in the file, under its own.
Results begun_results(const Options& options, const Setup& setup) {
  const Header header = header_of(options, setup);
  if (!options.is_continued || !std::filesystem::exists(*options.json)) {
    std::fprintf(stderr, "measuring the ceilings\n");
    return {.header = header,
            .ceilings = measure_ceilings(setup.device, options.is_quick ? 0.5 : 3)};
  }
  Results earlier = read_results(*options.json);
  const std::string difference = difference_between(earlier.header, header);
  ENGINE_CHECK(difference.empty(), options.json->string(), " was measured with ", difference,
               ": move it away, or leave --continue out");
  std::erase_if(earlier.header, [](const auto& entry) {
    return entry.first == "continued" || entry.first.starts_with("at_end_");
  });
  earlier.header.emplace_back("continued", header.front().second);
  earlier.left_out.clear();
  return earlier;
}

Results run(const Options& options, const Device& device, const std::vector<Subject>& subjects) {
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [begin] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  Setup setup = make_setup(options, device);
  Results results = begun_results(options, setup);
  setup.ceilings = results.ceilings;
  std::set<std::string> done;
  for (const Row& row : results.rows) done.insert(row.name);
  const auto stopwatch = make_stopwatch(device);
  std::vector<std::string> names;
  for (const Subject& subject : subjects) names.push_back(subject.name);
  const auto measure_row = [&](std::size_t i) -> std::optional<Row> {
    if (done.contains(names[i])) return std::nullopt;
    if (options.time_limit > 0 && elapsed() > options.time_limit) {
      results.left_out.push_back({names[i], "not reached within --time-limit"});
      return std::nullopt;
    }
    std::fprintf(stderr, "[%zu/%zu] %s\n", i + 1, names.size(), names[i].c_str());
    try {
      results.rows.push_back(measure(subjects[i], setup, *stopwatch));
      if (options.json) write_results(*options.json, results);
      return results.rows.back();
    } catch (const Error& error) {
      // The first line says it; the rest is for whoever reads the source.
      const std::string text = error.what();
      results.left_out.push_back({names[i], text.substr(0, text.find('\n'))});
      return std::nullopt;
    }
  };
  run_rows(names, measure_row, options.google);
  for (auto& entry : state_at_end(device)) results.header.push_back(std::move(entry));
  if (options.json) write_results(*options.json, results);
  return results;
}

int compare_with(const Options& options, const Results& results) {
  const Comparison comparison = compare(read_results(*options.compare), results);
  std::printf("\nagainst %s\n%s", options.compare->c_str(), comparison.text.c_str());
  return comparison.regressions > 0 ? 3 : 0;
}

int main_body(const Options& options) {
  if (options.is_help) {
    std::fputs(help_text().c_str(), stdout);
    return 0;
  }
  if (options.with) return compare_with(options, read_results(*options.with));
  const Device device = Device::parse(options.device, {.threads = options.threads});
  const std::vector<Subject> subjects = chosen_subjects(options, device);
  if (options.is_list) {
    for (const Subject& subject : subjects) {
      std::printf("%-12s %s\n", subject.shape_class.empty() ? "-" : subject.shape_class.c_str(),
                  subject.name.c_str());
    }
    return 0;
  }
  ENGINE_CHECK(!subjects.empty(), "engine_bench: no row fits; see --list");
  if (options.compare) read_results(*options.compare);  // a bad file is told now, not at the end
  const Results results = run(options, device, subjects);
  std::fputs(table_of(results).c_str(), stdout);
  const int status = options.compare ? compare_with(options, results) : 0;
  return faults_of(results).empty() ? status : 4;
}

}  // namespace

int main(int count, char** words) try {
  return main_body(parse_options({words + 1, words + count}, ENGINE_BENCH_SHAPES));
} catch (const std::regex_error&) {
  std::fprintf(stderr, "--filter is not a regular expression\n");
  return 2;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
