// The three bilinear maps of adjax/ops/convolution.py as XLA FFI handlers over oneDNN.
//
//   Forward  (x, w) -> y      Input  (y, w) -> x      Kernel  (x, y) -> w
//
// Images are NHWC and kernels HWIO, float32 or bfloat16, with any number of leading axes that all
// three arrays share (populations).
//
// Every call is cut into chunks of images that XLA's own threads take one by one, each running
// oneDNN on a single thread. oneDNN's OpenMP threads would meet at spinning barriers, which cost
// tens of milliseconds whenever another program holds a core; here nobody waits for a thread that
// has not started, and there is no second pool of threads.

#include <omp.h>

#include <map>
#include <memory>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <vector>

#include "parallel.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using adjax::ErrorOf;
using adjax::ForEach;
using adjax::Workspace;
using dnnl::memory;

namespace {

enum class Map : int64_t { kForward, kInput, kKernel };

constexpr int kRank = 4;
constexpr int64_t kChunksPerThread = 2;  // evens out threads that start late or are interrupted

dnnl::engine& Engine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

// oneDNN plans and runs for as many threads as OpenMP would start from this one.
class SingleThreaded {
 public:
  SingleThreaded() : threads_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~SingleThreaded() { omp_set_num_threads(threads_); }

 private:
  const int threads_;
};

struct Shape {
  memory::desc x, w, y;
  memory::dims strides, low, high;
};

// One compiled primitive. The kernel is `packed` as the primitive wants it; a weight gradient is
// packed in float32, so that chunks add up in it.
struct Plan {
  dnnl::primitive primitive;
  dnnl::reorder reorder;  // kernel -> packed, or back for Map::kKernel
  Shape shape;
  memory::desc packed, scratchpad;
};

memory::desc Images(const int64_t* d, int64_t count, memory::data_type type) {
  return memory::desc({count, d[3], d[1], d[2]}, type, memory::format_tag::nhwc);
}

Plan MakePlan(Map map, const Shape& s) {
  const auto algorithm = dnnl::algorithm::convolution_direct;
  const memory::desc any(s.w.get_dims(), s.w.get_data_type(), memory::format_tag::any);
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  auto& engine = Engine();
  const dnnl::convolution_forward::primitive_desc forward(
      engine, dnnl::prop_kind::forward_training, algorithm, s.x, any, s.y, s.strides, s.low,
      s.high, attr);
  Plan plan;
  plan.shape = s;
  switch (map) {
    case Map::kForward:
      plan.packed = forward.weights_desc();
      plan.scratchpad = forward.scratchpad_desc();
      plan.primitive = dnnl::convolution_forward(forward);
      break;
    case Map::kInput: {
      const dnnl::convolution_backward_data::primitive_desc backward(
          engine, algorithm, s.x, any, s.y, s.strides, s.low, s.high, forward, attr);
      plan.packed = backward.weights_desc();
      plan.scratchpad = backward.scratchpad_desc();
      plan.primitive = dnnl::convolution_backward_data(backward);
      break;
    }
    case Map::kKernel: {
      const memory::desc sum(s.w.get_dims(), memory::data_type::f32, memory::format_tag::any);
      const dnnl::convolution_backward_weights::primitive_desc backward(
          engine, algorithm, s.x, sum, s.y, s.strides, s.low, s.high, forward, attr);
      plan.packed = backward.diff_weights_desc();
      plan.scratchpad = backward.scratchpad_desc();
      plan.primitive = dnnl::convolution_backward_weights(backward);
      break;
    }
  }
  const bool is_gradient = map == Map::kKernel;
  plan.reorder = dnnl::reorder(memory(is_gradient ? plan.packed : s.w, engine, nullptr),
                               memory(is_gradient ? s.w : plan.packed, engine, nullptr));
  return plan;
}

// Plans by map, type, shapes, strides and padding; never dropped.
std::shared_ptr<const Plan> FindPlan(Map map, const Shape& shape) {
  static std::mutex mutex;
  static std::map<std::vector<int64_t>, std::shared_ptr<const Plan>> plans;
  std::vector<int64_t> key = {static_cast<int64_t>(map),
                              static_cast<int64_t>(shape.x.get_data_type())};
  for (const auto& dims : {shape.x.get_dims(), shape.w.get_dims(), shape.y.get_dims(),
                           shape.strides, shape.low, shape.high}) {
    key.insert(key.end(), dims.begin(), dims.end());
  }
  const std::lock_guard<std::mutex> lock(mutex);
  auto& plan = plans[key];
  if (!plan) plan = std::make_shared<const Plan>(MakePlan(map, shape));
  return plan;
}

// Runs `plan` on one chunk of images; `packed` is read, or written for a weight gradient.
void Execute(Map map, const Plan& plan, char* x, void* packed, char* y) {
  thread_local Workspace workspace;
  auto& engine = Engine();
  dnnl::stream stream(engine);
  const memory images(plan.shape.x, engine, x), kernel(plan.packed, engine, packed),
      outputs(plan.shape.y, engine, y),
      scratchpad(plan.scratchpad, engine, workspace.Get(plan.scratchpad.get_size()));
  const auto [x_arg, w_arg, y_arg] =
      map == Map::kForward ? std::tuple(DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST)
      : map == Map::kInput ? std::tuple(DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST)
                           : std::tuple(DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST);
  plan.primitive.execute(stream, {{x_arg, images},
                                  {w_arg, kernel},
                                  {y_arg, outputs},
                                  {DNNL_ARG_SCRATCHPAD, scratchpad}});
  stream.wait();
}

void Reorder(const Plan& plan, memory::desc from, void* source, memory::desc to, void* target) {
  dnnl::stream stream(Engine());
  memory a(from, Engine(), source), b(to, Engine(), target);
  plan.reorder.execute(stream, a, b);
  stream.wait();
}

struct Operand {
  char* data;
  const int64_t* dims;  // without the leading axes
  size_t member_bytes;
};

Operand MakeOperand(const ffi::AnyBuffer& buffer, int64_t members) {
  return {static_cast<char*>(buffer.untyped_data()), buffer.dimensions().end() - kRank,
          buffer.size_bytes() / members};
}

// Images a chunk: all chunks have one size, so that one plan does them all.
int64_t ChunkSize(int64_t images, int64_t threads) {
  const int64_t chunks = kChunksPerThread * std::max<int64_t>(1, threads);
  int64_t size = (images + chunks - 1) / chunks;
  while (images % size) --size;
  return size;
}

void Convolve(ffi::ThreadPool& pool, Map map, memory::data_type type, int64_t members, Operand x,
              Operand w, Operand y, const memory::dims& strides, const memory::dims& low,
              const memory::dims& high) {
  const int64_t images = x.dims[0];
  const int64_t size = ChunkSize(images, pool.num_threads()), chunks = images / size;
  const SingleThreaded single;
  const memory::desc kernel({w.dims[3], w.dims[2], w.dims[0], w.dims[1]}, type,
                            memory::format_tag::hwio);
  const auto plan = FindPlan(
      map, {Images(x.dims, size, type), kernel, Images(y.dims, size, type), strides, low, high});

  // A kernel a member, or for a gradient one a chunk, added up in a fixed order afterwards.
  const bool is_gradient = map == Map::kKernel;
  const int64_t copies = is_gradient ? chunks : 1;
  const size_t packed_bytes = (plan->packed.get_size() + 63) / 64 * 64;
  thread_local Workspace workspace;
  char* const packed = static_cast<char*>(workspace.Get(packed_bytes * copies * members));
  for (int64_t m = 0; m < members && !is_gradient; ++m) {
    Reorder(*plan, kernel, w.data + m * w.member_bytes, plan->packed, packed + m * packed_bytes);
  }
  ForEach(pool, members * chunks, [&](int64_t i) {
    const int64_t member = i / chunks, chunk = i % chunks;
    const auto at = [&](const Operand& o) {
      return o.data + member * o.member_bytes + chunk * (o.member_bytes / chunks);
    };
    const SingleThreaded single;
    Execute(map, *plan, at(x), packed + (is_gradient ? i : member) * packed_bytes, at(y));
  });
  for (int64_t m = 0; m < members && is_gradient; ++m) {
    float* const sum = reinterpret_cast<float*>(packed + m * copies * packed_bytes);
    const size_t floats = plan->packed.get_size() / sizeof(float);
    for (int64_t copy = 1; copy < copies; ++copy) {
      const float* const term = sum + copy * (packed_bytes / sizeof(float));
      for (size_t i = 0; i < floats; ++i) sum[i] += term[i];
    }
    Reorder(*plan, plan->packed, sum, kernel, w.data + m * w.member_bytes);
  }
}

ffi::Error Handle(ffi::ThreadPool pool, int64_t which, ffi::AnyBuffer a, ffi::AnyBuffer b,
                  ffi::Result<ffi::AnyBuffer> c, ffi::Span<const int64_t> strides,
                  ffi::Span<const int64_t> padding) {
  const auto type = a.element_type();
  if (type != b.element_type() || type != c->element_type() ||
      (type != ffi::DataType::F32 && type != ffi::DataType::BF16)) {
    return ffi::Error::InvalidArgument("adjax_native: arrays must all be float32 or all bfloat16");
  }
  const Map map = static_cast<Map>(which);
  int64_t members = 1;
  for (size_t i = 0; i + kRank < a.dimensions().size(); ++i) members *= a.dimensions()[i];
  const Operand first = MakeOperand(a, members), second = MakeOperand(b, members),
                out = MakeOperand(*c, members);
  return ErrorOf([&] {
    Convolve(pool, map,
             type == ffi::DataType::F32 ? memory::data_type::f32 : memory::data_type::bf16, members,
             map == Map::kInput ? out : first, map == Map::kKernel ? out : second,
             map == Map::kForward ? out : (map == Map::kInput ? first : second),
             {strides[0], strides[1]}, {padding[0], padding[2]}, {padding[1], padding[3]});
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(AdjaxConvolve, Handle,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Attr<int64_t>("map")
                                  .Arg<ffi::AnyBuffer>()
                                  .Arg<ffi::AnyBuffer>()
                                  .Ret<ffi::AnyBuffer>()
                                  .Attr<ffi::Span<const int64_t>>("strides")
                                  .Attr<ffi::Span<const int64_t>>("padding"));
