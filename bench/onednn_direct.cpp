#include "bench/onednn_direct.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <memory>
#include <optional>
#include <random>
#include <unordered_map>

#include <oneapi/dnnl/dnnl.hpp>

namespace engine::bench {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;
using Type = memory::data_type;

const dnnl::engine& cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

Type type_of(DType dtype) {
  return dtype == DType::bf16 ? Type::bf16 : Type::f32;
}

// Random data in [-1, 1], whatever the layout.
memory random_memory(const memory::desc& description, Type type) {
  memory result(description, cpu());
  std::mt19937 engine(1);
  const auto next = [&] { return static_cast<float>(engine() >> 8) * 0x1p-23f - 1; };
  const std::size_t bytes = description.get_size();
  if (type == Type::f32) {
    auto* data = static_cast<float*>(result.get_data_handle());
    std::generate(data, data + bytes / sizeof(float), next);
  } else {
    auto* data = static_cast<BFloat16*>(result.get_data_handle());
    std::generate(data, data + bytes / sizeof(BFloat16), [&] { return BFloat16(next()); });
  }
  return result;
}

// One argument of a primitive. Of the two operands `values` may hold the numbers, as `plain` says.
struct Tensor {
  int argument;
  memory::desc description;
  Type type;
  memory::desc plain = {};
  const float* values = nullptr;
  bool is_result = false;
};

memory filled(dnnl::stream& stream, const Tensor& tensor) {
  if (tensor.values == nullptr) return random_memory(tensor.description, tensor.type);
  memory plain(tensor.plain, cpu(), const_cast<float*>(tensor.values));  // only read
  memory result(tensor.description, cpu());
  dnnl::reorder(plain, result).execute(stream, plain, result);
  stream.wait();
  return result;
}

// Which implementations were there before: the same one need not be tried twice.
using Known = std::vector<std::string>;

template <class Primitive, class Description>
std::optional<DirectCall> call_of(const Description& description,
                                  const std::vector<Tensor>& tensors, int copies = 1,
                                  const Known& known = {}) {
  const std::string implementation = description.impl_info_str();
  if (std::find(known.begin(), known.end(), implementation) != known.end()) return std::nullopt;
  struct Bound {
    dnnl::stream stream;
    dnnl::primitive primitive;
    std::vector<std::unordered_map<int, memory>> arguments;
    std::size_t turn = 0;
  };
  auto bound = std::make_shared<Bound>(Bound{dnnl::stream(cpu()), Primitive(description), {}});
  for (int copy = 0; copy < copies; ++copy) {
    auto& arguments = bound->arguments.emplace_back();
    for (const Tensor& tensor : tensors) arguments[tensor.argument] = filled(bound->stream, tensor);
  }
  DirectCall call;
  call.implementation = implementation;
  call.run = [bound] {
    bound->primitive.execute(bound->stream, bound->arguments[bound->turn]);
    bound->stream.wait();
    bound->turn = (bound->turn + 1) % bound->arguments.size();
  };
  for (const Tensor& tensor : tensors) {
    if (!tensor.is_result || tensor.plain.get_size() == 0) continue;
    call.result = [bound, tensor] {
      std::vector<float> values(tensor.plain.get_size() / sizeof(float));
      memory plain(tensor.plain, cpu(), values.data());
      memory& from = bound->arguments[0].at(tensor.argument);
      dnnl::reorder(from, plain).execute(bound->stream, from, plain);
      bound->stream.wait();
      return values;
    };
  }
  return call;
}

// The fastest of several formulations.
DirectCall best_of(std::vector<DirectCall> calls) {
  std::vector<double> times;
  for (const DirectCall& call : calls) {
    double best = 1e9, sum = 0;
    for (int run = 0; run < 8 && (run < 3 || sum < 1); ++run) {
      const double seconds = seconds_of(call.run);
      best = std::min(best, seconds);
      sum += seconds;
    }
    times.push_back(best);
  }
  return calls[std::min_element(times.begin(), times.end()) - times.begin()];
}

// Conv2d and inner product have the same three passes; `Maker` hides the two APIs.
struct Shapes {
  memory::desc x, w, y;
  memory::desc plain_x, plain_w, plain_y;    // f32, in our layouts
  memory::dims strides, dilations, padding;  // of a convolution
  dnnl::algorithm algorithm = {};            // the same
};

template <class Family>
std::optional<DirectCall> call_of(const Shapes& s, const Shapes& s_weights, Pass pass, Type data,
                                  const DirectData& numbers = {}, const Known& known = {}) {
  const auto forward = Family::forward(s);
  const float *first = numbers.first, *second = numbers.second;
  if (pass == Pass::forward) {
    return call_of<typename Family::Forward>(
        forward,
        {{DNNL_ARG_SRC, forward.src_desc(), data, s.plain_x, first},
         {DNNL_ARG_WEIGHTS, forward.weights_desc(), data, s.plain_w, second},
         {DNNL_ARG_DST, forward.dst_desc(), data, s.plain_y, nullptr, true}},
        numbers.copies, known);
  }
  if (pass == Pass::backward_data) {
    const auto backward = Family::backward_data(s, forward);
    return call_of<typename Family::BackwardData>(
        backward,
        {{DNNL_ARG_DIFF_SRC, backward.diff_src_desc(), data, s.plain_x, nullptr, true},
         {DNNL_ARG_WEIGHTS, backward.weights_desc(), data, s.plain_w, second},
         {DNNL_ARG_DIFF_DST, backward.diff_dst_desc(), data, s.plain_y, first}},
        numbers.copies, known);
  }
  const auto backward = Family::backward_weights(s_weights, forward);
  return call_of<typename Family::BackwardWeights>(
      backward,
      {{DNNL_ARG_SRC, backward.src_desc(), data, s.plain_x, first},
       {DNNL_ARG_DIFF_WEIGHTS, backward.diff_weights_desc(), Type::f32, s.plain_w, nullptr, true},
       {DNNL_ARG_DIFF_DST, backward.diff_dst_desc(), data, s.plain_y, second}},
      numbers.copies, known);
}

struct Convolution {
  using Forward = dnnl::convolution_forward;
  using BackwardData = dnnl::convolution_backward_data;
  using BackwardWeights = dnnl::convolution_backward_weights;
  static constexpr auto kKind = dnnl::prop_kind::forward_training;

#if DNNL_VERSION_MAJOR >= 3
  static Forward::primitive_desc forward(const Shapes& s) {
    return {cpu(), kKind, s.algorithm, s.x, s.w, s.y, s.strides, s.dilations, s.padding, s.padding};
  }
  template <class Hint>
  static BackwardData::primitive_desc backward_data(const Shapes& s, const Hint& hint) {
    return {cpu(), s.algorithm, s.x, s.w, s.y, s.strides, s.dilations, s.padding, s.padding, hint};
  }
  template <class Hint>
  static BackwardWeights::primitive_desc backward_weights(const Shapes& s, const Hint& hint) {
    return {cpu(), s.algorithm, s.x, s.w, s.y, s.strides, s.dilations, s.padding, s.padding, hint};
  }
#else
  static Forward::primitive_desc forward(const Shapes& s) {
    return {{kKind, s.algorithm, s.x, s.w, s.y, s.strides, s.dilations, s.padding, s.padding},
            cpu()};
  }
  template <class Hint>
  static BackwardData::primitive_desc backward_data(const Shapes& s, const Hint& hint) {
    return {
        {s.algorithm, s.x, s.w, s.y, s.strides, s.dilations, s.padding, s.padding}, cpu(), hint};
  }
  template <class Hint>
  static BackwardWeights::primitive_desc backward_weights(const Shapes& s, const Hint& hint) {
    return {
        {s.algorithm, s.x, s.w, s.y, s.strides, s.dilations, s.padding, s.padding}, cpu(), hint};
  }
#endif
};

struct InnerProduct {
  using Forward = dnnl::inner_product_forward;
  using BackwardData = dnnl::inner_product_backward_data;
  using BackwardWeights = dnnl::inner_product_backward_weights;
  static constexpr auto kKind = dnnl::prop_kind::forward_training;

#if DNNL_VERSION_MAJOR >= 3
  static Forward::primitive_desc forward(const Shapes& s) {
    return {cpu(), kKind, s.x, s.w, s.y};
  }
  template <class Hint>
  static BackwardData::primitive_desc backward_data(const Shapes& s, const Hint& hint) {
    return {cpu(), s.x, s.w, s.y, hint};
  }
  template <class Hint>
  static BackwardWeights::primitive_desc backward_weights(const Shapes& s, const Hint& hint) {
    return {cpu(), s.x, s.w, s.y, hint};
  }
#else
  static Forward::primitive_desc forward(const Shapes& s) {
    return {{kKind, s.x, s.w, s.y}, cpu()};
  }
  template <class Hint>
  static BackwardData::primitive_desc backward_data(const Shapes& s, const Hint& hint) {
    return {{s.x, s.w, s.y}, cpu(), hint};
  }
  template <class Hint>
  static BackwardWeights::primitive_desc backward_weights(const Shapes& s, const Hint& hint) {
    return {{s.x, s.w, s.y}, cpu(), hint};
  }
#endif
};

// A product of [m, k] and [k, n], all layouts oneDNN's choice.
DirectCall direct_matmul(std::int64_t m, std::int64_t k, std::int64_t n, Type data, Type out) {
  const memory::desc a({m, k}, data, Tag::any), b({k, n}, data, Tag::any), y({m, n}, out, Tag::any);
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::matmul::primitive_desc description(cpu(), a, b, y);
#else
  const dnnl::matmul::primitive_desc description({a, b, y}, cpu());
#endif
  return *call_of<dnnl::matmul>(description, {{DNNL_ARG_SRC, description.src_desc(), data},
                                              {DNNL_ARG_WEIGHTS, description.weights_desc(), data},
                                              {DNNL_ARG_DST, description.dst_desc(), out}});
}

}  // namespace

double seconds_of(const std::function<void()>& call, Clock clock) {
  const auto now = [clock] {
    if (clock == Clock::processor) return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
  const double begin = now();
  call();
  return now() - begin;
}

double median(std::vector<double> seconds) {
  const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), middle, seconds.end());
  return *middle;
}

DirectCall direct_conv2d(const Conv2dProblem& p, Pass pass, DType dtype,
                         const DirectData& numbers) {
  const Conv2dGeometry& g = p.geometry;
  const Type data = type_of(dtype);
  const memory::dims w = g.groups == 1
                             ? memory::dims{p.oc, p.ic, p.kh, p.kw}
                             : memory::dims{g.groups, p.oc / g.groups, p.ic / g.groups, p.kh, p.kw};
  std::vector<DirectCall> calls;
  for (const Tag layout : {Tag::nhwc, Tag::any}) {
    Known known;
    for (const auto algorithm :
         {dnnl::algorithm::convolution_direct, dnnl::algorithm::convolution_auto}) {
      Shapes s{.x = memory::desc({p.n, p.ic, p.ih, p.iw}, data, layout),
               .w = memory::desc(w, data, Tag::any),
               .y = memory::desc({p.n, p.oc, p.oh, p.ow}, data, layout),
               .plain_x = memory::desc({p.n, p.ic, p.ih, p.iw}, Type::f32, Tag::nhwc),
               .plain_w = memory::desc(w, Type::f32, g.groups == 1 ? Tag::ohwi : Tag::gohwi),
               .plain_y = memory::desc({p.n, p.oc, p.oh, p.ow}, Type::f32, Tag::nhwc),
               .strides = {g.stride.h, g.stride.w},
               .dilations = {g.dilation.h - 1, g.dilation.w - 1},
               .padding = {g.padding.h, g.padding.w},
               .algorithm = algorithm};
      Shapes weights = s;
      weights.w = memory::desc(w, Type::f32, Tag::any);
      auto call = call_of<Convolution>(s, weights, pass, data, numbers, known);
      if (!call) continue;
      known.push_back(call->implementation);
      calls.push_back(*std::move(call));
    }
  }
  DirectCall best = best_of(std::move(calls));
  best.name = join("conv2d ", p.ic, "->", p.oc, ' ', p.kh, 'x', p.kw, " at ", p.oh, 'x', p.ow, ' ',
                   name_of(pass));
  best.flops = p.flops();
  return best;
}

DirectCall direct_linear(std::int64_t rows, std::int64_t in, std::int64_t out, Pass pass,
                         DType dtype) {
  const Type data = type_of(dtype);
  const Shapes s{.x = memory::desc({rows, in}, data, Tag::any),
                 .w = memory::desc({out, in}, data, Tag::any),
                 .y = memory::desc({rows, out}, data, Tag::any)};
  Shapes weights = s;
  weights.w = memory::desc({out, in}, Type::f32, Tag::any);
  std::vector<DirectCall> calls = {*call_of<InnerProduct>(s, weights, pass, data)};
  switch (pass) {
    case Pass::forward:
      calls.push_back(direct_matmul(rows, in, out, data, data));
      break;
    case Pass::backward_data:
      calls.push_back(direct_matmul(rows, out, in, data, data));
      break;
    case Pass::backward_weights:
      calls.push_back(direct_matmul(out, rows, in, data, Type::f32));
      break;
  }
  DirectCall best = best_of(std::move(calls));
  best.name = join("linear ", in, "->", out, ' ', name_of(pass));
  best.flops = 2 * rows * in * out;
  return best;
}

}  // namespace engine::bench
