// Work shared with the threads of the XLA program that called a handler.

#ifndef ADJAX_NATIVE_PARALLEL_H_
#define ADJAX_NATIVE_PARALLEL_H_

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <type_traits>

#include "xla/ffi/api/ffi.h"

namespace adjax {

// Memory that a thread keeps from call to call.
class Workspace {
 public:
  ~Workspace() { std::free(data_); }
  void* Get(size_t size) {
    if (size > size_) {
      std::free(data_);
      size_ = (size + 63) / 64 * 64;
      data_ = std::aligned_alloc(64, size_);
      if (data_ == nullptr) throw std::bad_alloc();
    }
    return data_;
  }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

// Runs `work(0) ... work(count - 1)` on this thread and on those of the pool that are free.
template <typename Work>
void ForEach(xla::ffi::ThreadPool& pool, int64_t count, const Work& work) {
  struct Job {
    std::atomic<int64_t> next{0}, done{0};
    std::mutex mutex;
    std::exception_ptr error;  // the first one
  };
  const auto job = std::make_shared<Job>();
  // A helper that starts after the last chunk was taken must not touch `work`, which is gone.
  const auto help = [job, count, &work] {
    for (int64_t i; (i = job->next.fetch_add(1)) < count;) {
      try {
        work(i);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(job->mutex);
        if (!job->error) job->error = std::current_exception();
      }
      if (job->done.fetch_add(1) + 1 == count) job->done.notify_all();
    }
  };
  const int64_t helpers = std::min(pool.num_threads(), count) - 1;
  for (int64_t i = 0; i < helpers; ++i) pool.Schedule(std::decay_t<decltype(help)>(help));
  help();
  for (int64_t done; (done = job->done.load()) < count;) job->done.wait(done);
  if (job->error) std::rethrow_exception(job->error);
}

// What a handler returns for `work()`, which may throw.
template <typename Work>
xla::ffi::Error ErrorOf(const Work& work) {
  try {
    work();
  } catch (const std::exception& error) {
    return xla::ffi::Error::Internal(std::string("adjax_native: ") + error.what());
  }
  return xla::ffi::Error::Success();
}

}  // namespace adjax

#endif  // ADJAX_NATIVE_PARALLEL_H_
