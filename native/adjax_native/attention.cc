// Attention of adjax/ops/attention.py, one image a thread, as XLA FFI handlers.
//
//   o = softmax(q k^T) v       all float32 [..., T, F], not scaled; also `log(sum(exp(q k^T)))`
//
// The T x T weights of an image are made a few rows at a time, used while they are in the first
// cache, and made again for the gradient (Dao et al. 2022, "FlashAttention", without the blocking
// over keys, which all fit). Every product is a small one over contiguous columns.

#include <cmath>
#include <cstdint>
#include <cstring>

#include "parallel.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using adjax::ForEach;
using adjax::Workspace;

namespace {

constexpr int64_t kLanes = 16, kRows = 8;
typedef float Vector __attribute__((vector_size(kLanes * sizeof(float)), aligned(sizeof(float))));
typedef int32_t Integers __attribute__((vector_size(kLanes * sizeof(int32_t))));

Vector Load(const float* p) { return *reinterpret_cast<const Vector*>(p); }
void Store(float* p, Vector v) { *reinterpret_cast<Vector*>(p) = v; }

// C[m, n] (+)= sum over k of A[m * row + k * column] B[k * width_b + n], one tile of columns.
template <int kM, int kN>
void Tile(const float* a, int64_t row, int64_t column, const float* b, int64_t width_b, float* c,
          int64_t width_c, int64_t depth, bool add) {
  Vector sum[kM][kN];
  for (int m = 0; m < kM; ++m) {
    for (int n = 0; n < kN; ++n) sum[m][n] = add ? Load(c + m * width_c + n * kLanes) : Vector{};
  }
  for (int64_t k = 0; k < depth; ++k) {
    Vector right[kN];
    for (int n = 0; n < kN; ++n) right[n] = Load(b + k * width_b + n * kLanes);
    for (int m = 0; m < kM; ++m) {
      const float left = a[m * row + k * column];
      for (int n = 0; n < kN; ++n) sum[m][n] += left * right[n];
    }
  }
  for (int m = 0; m < kM; ++m) {
    for (int n = 0; n < kN; ++n) Store(c + m * width_c + n * kLanes, sum[m][n]);
  }
}

// C [rows, columns] (+)= A B; rows a multiple of kRows, columns of kLanes.
void Multiply(const float* a, int64_t row, int64_t column, const float* b, int64_t width_b, float* c,
              int64_t width_c, int64_t rows, int64_t columns, int64_t depth, bool add) {
  for (int64_t m = 0; m < rows; m += kRows) {
    int64_t n = 0;
    for (; n + 3 * kLanes <= columns; n += 3 * kLanes) {
      Tile<kRows, 3>(a + m * row, row, column, b + n, width_b, c + m * width_c + n, width_c, depth,
                     add);
    }
    for (; n < columns; n += kLanes) {
      Tile<kRows, 1>(a + m * row, row, column, b + n, width_b, c + m * width_c + n, width_c, depth,
                     add);
    }
  }
}

// exp(x) for x <= 0, to a relative 2e-7: 2^n times a polynomial of the rest (Cephes).
Vector Exp(Vector x) {
  const Vector lowest = Vector{} - 87.0f;
  x = x > lowest ? x : lowest;
  const Vector magic = Vector{} + 12582912.0f;  // adding it rounds to an integer
  const Vector n = (x * 1.44269504f + magic) - magic;
  const Vector r = x - n * 0.693359375f + n * 2.12194440e-4f;
  Vector y = Vector{} + 1.9875691500e-4f;
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * r * r + r + 1.0f;
  const Integers exponent = (__builtin_convertvector(n, Integers) + 127) << 23;
  return y * reinterpret_cast<const Vector&>(exponent);
}

// At least the greatest of x; `count` a multiple of kLanes.
float Highest(const float* x, int64_t count) {
  Vector highest = Load(x);
  for (int64_t j = kLanes; j < count; j += kLanes) {
    const Vector next = Load(x + j);
    highest = next > highest ? next : highest;
  }
  float greatest = highest[0];
  for (int64_t l = 1; l < kLanes; ++l) greatest = std::max(greatest, highest[l]);
  return greatest;
}

int64_t RoundUp(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

struct Size {
  int64_t t, f;    // positions, features
  int64_t tp, fp;  // both padded: positions to kLanes (and so to kRows), features to kLanes
};

// Hands out zeroed parts of a thread's workspace.
class Arena {
 public:
  Arena(const Size& s, int64_t position_arrays, int64_t row_arrays) {
    thread_local Workspace workspace;
    const size_t floats = position_arrays * s.tp * s.fp + row_arrays * kRows * s.tp;
    next_ = static_cast<float*>(workspace.Get(floats * sizeof(float)));
    std::memset(next_, 0, floats * sizeof(float));
  }
  float* Take(int64_t floats) { return std::exchange(next_, next_ + floats); }

 private:
  float* next_;
};

// x [t, f] -> padded [tp, fp], or transposed [fp, tp].
float* Padded(Arena& arena, const float* x, const Size& s) {
  float* out = arena.Take(s.tp * s.fp);
  for (int64_t i = 0; i < s.t; ++i) std::memcpy(out + i * s.fp, x + i * s.f, s.f * sizeof(float));
  return out;
}

float* Transposed(Arena& arena, const float* x, const Size& s) {
  float* out = arena.Take(s.tp * s.fp);
  for (int64_t i = 0; i < s.t; ++i) {
    for (int64_t j = 0; j < s.f; ++j) out[j * s.tp + i] = x[i * s.f + j];
  }
  return out;
}

void Forward(const Size& s, const float* q, const float* k, const float* v, float* o, float* lse) {
  Arena arena(s, 4, 1);
  const float *qp = Padded(arena, q, s), *kt = Transposed(arena, k, s), *vp = Padded(arena, v, s);
  float *op = arena.Take(s.tp * s.fp), *weight = arena.Take(kRows * s.tp);
  for (int64_t i = 0; i < s.t; i += kRows) {
    Multiply(qp + i * s.fp, s.fp, 1, kt, s.tp, weight, s.tp, kRows, s.tp, s.f, false);
    float total[kRows];
    for (int64_t r = 0; r < kRows; ++r) {
      float* row = weight + r * s.tp;
      const float highest = Highest(row, s.tp);
      Vector sum{};
      for (int64_t j = 0; j < s.tp; j += kLanes) {
        Vector e = Exp(Load(row + j) - highest);
        if (j + kLanes > s.t) {
          for (int64_t l = s.t - j; l < kLanes; ++l) e[l] = 0;
        }
        Store(row + j, e);
        sum += e;
      }
      total[r] = 0;
      for (int64_t l = 0; l < kLanes; ++l) total[r] += sum[l];
      if (i + r < s.t) lse[i + r] = highest + std::log(total[r]);
    }
    Multiply(weight, s.tp, 1, vp, s.fp, op + i * s.fp, s.fp, kRows, s.fp, s.t, false);
    for (int64_t r = 0; r < kRows && i + r < s.t; ++r) {
      const float scale = 1 / total[r];
      for (int64_t j = 0; j < s.f; ++j) o[(i + r) * s.f + j] = op[(i + r) * s.fp + j] * scale;
    }
  }
}

void Backward(const Size& s, const float* q, const float* k, const float* v, const float* o,
              const float* lse, const float* g, float* dq, float* dk, float* dv) {
  Arena arena(s, 8, 2);
  const float *qp = Padded(arena, q, s), *kp = Padded(arena, k, s), *gp = Padded(arena, g, s);
  const float *kt = Transposed(arena, k, s), *vt = Transposed(arena, v, s);
  float *dqp = arena.Take(s.tp * s.fp), *dkt = arena.Take(s.tp * s.fp),
        *dvt = arena.Take(s.tp * s.fp);
  float *weight = arena.Take(kRows * s.tp), *slope = arena.Take(kRows * s.tp);
  for (int64_t i = 0; i < s.t; i += kRows) {
    const float *rows_q = qp + i * s.fp, *rows_g = gp + i * s.fp;
    Multiply(rows_q, s.fp, 1, kt, s.tp, weight, s.tp, kRows, s.tp, s.f, false);
    Multiply(rows_g, s.fp, 1, vt, s.tp, slope, s.tp, kRows, s.tp, s.f, false);
    for (int64_t r = 0; r < kRows; ++r) {
      const bool is_real = i + r < s.t;
      float mean = 0;  // sum over keys of weight * slope = g . o
      for (int64_t j = 0; is_real && j < s.f; ++j) mean += g[(i + r) * s.f + j] * o[(i + r) * s.f + j];
      const float shift = is_real ? lse[i + r] : 0;
      for (int64_t j = 0; j < s.tp; j += kLanes) {
        float *w = weight + r * s.tp + j, *d = slope + r * s.tp + j;
        const Vector e = Exp(Load(w) - shift);
        Store(w, e);
        Store(d, e * (Load(d) - mean));
      }
    }
    // Columns beyond t are dropped below; rows beyond t meet rows of zeros in q and g.
    Multiply(slope, s.tp, 1, kp, s.fp, dqp + i * s.fp, s.fp, kRows, s.fp, s.t, false);
    Multiply(rows_q, 1, s.fp, slope, s.tp, dkt, s.tp, s.fp, s.tp, kRows, true);
    Multiply(rows_g, 1, s.fp, weight, s.tp, dvt, s.tp, s.fp, s.tp, kRows, true);
  }
  for (int64_t i = 0; i < s.t; ++i) {
    for (int64_t j = 0; j < s.f; ++j) {
      dq[i * s.f + j] = dqp[i * s.fp + j];
      dk[i * s.f + j] = dkt[j * s.tp + i];
      dv[i * s.f + j] = dvt[j * s.tp + i];
    }
  }
}

using Array = ffi::Buffer<ffi::F32>;

Size SizeOf(const Array& x) {
  const auto d = x.dimensions();
  const int64_t t = d[d.size() - 2], f = d[d.size() - 1];
  return {t, f, RoundUp(t, kLanes), RoundUp(f, kLanes)};
}

ffi::Error HandleForward(ffi::ThreadPool pool, Array q, Array k, Array v, ffi::Result<Array> o,
                         ffi::Result<Array> lse) {
  const Size s = SizeOf(q);
  const int64_t n = s.t * s.f;
  ForEach(pool, q.element_count() / n, [&](int64_t b) {
    Forward(s, q.typed_data() + b * n, k.typed_data() + b * n, v.typed_data() + b * n,
            o->typed_data() + b * n, lse->typed_data() + b * s.t);
  });
  return ffi::Error::Success();
}

ffi::Error HandleBackward(ffi::ThreadPool pool, Array q, Array k, Array v, Array o, Array lse,
                          Array g, ffi::Result<Array> dq, ffi::Result<Array> dk,
                          ffi::Result<Array> dv) {
  const Size s = SizeOf(q);
  const int64_t n = s.t * s.f;
  ForEach(pool, q.element_count() / n, [&](int64_t b) {
    Backward(s, q.typed_data() + b * n, k.typed_data() + b * n, v.typed_data() + b * n,
             o.typed_data() + b * n, lse.typed_data() + b * s.t, g.typed_data() + b * n,
             dq->typed_data() + b * n, dk->typed_data() + b * n, dv->typed_data() + b * n);
  });
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    AdjaxAttention, HandleForward,
    ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Array>().Arg<Array>().Arg<Array>().Ret<Array>().Ret<Array>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(AdjaxAttentionGradient, HandleBackward,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Ret<Array>()
                                  .Ret<Array>()
                                  .Ret<Array>());
