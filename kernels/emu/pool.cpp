#include "pool.h"

#include <algorithm>
#include <cstdlib>
#include <thread>

namespace emu {

Pool& Pool::shared() {
  static Pool* const pool = new Pool;
  return *pool;
}

Pool::Pool() {
  const char* setting = getenv("MDLSTM_EMU_THREADS");
  const long wanted = setting ? atol(setting) : static_cast<long>(std::thread::hardware_concurrency());
  helpers_ = static_cast<size_t>(std::clamp(wanted, 1L, 64L)) - 1;
  for (size_t i = 0; i < helpers_; i++) std::thread([this] { help(); }).detach();
}

void Pool::help() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return wanted_ > 0; });
    wanted_--;
    busy_++;
    const std::function<void()>& job = *job_;
    lock.unlock();
    job();
    lock.lock();
    if (--busy_ == 0) done_.notify_all();
  }
}

void Pool::run(size_t parts, const std::function<void()>& job) {
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    job_ = &job;
    wanted_ = std::min(parts - 1, helpers_);
  }
  if (parts > 1 && helpers_ > 0) work_.notify_all();
  job();
  std::unique_lock<std::mutex> lock(mutex_);
  wanted_ = 0;  // who has not woken up by now finds nothing left to do
  done_.wait(lock, [this] { return busy_ == 0; });
}

}  // namespace emu
