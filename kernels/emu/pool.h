// The OS threads that run blocks.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>

namespace emu {

class Pool {
 public:
  // MDLSTM_EMU_THREADS of them, or one a core; made at the first use and never ended, so that no destructor at the end
  // of the process waits for them.
  static Pool& shared();

  // Runs job on the caller and on as many helpers as parts of work justify, and returns when all have ended.
  void run(size_t parts, const std::function<void()>& job);

 private:
  Pool();
  void help();

  std::mutex mutex_;
  std::condition_variable work_, done_;
  const std::function<void()>* job_ = nullptr;
  size_t helpers_ = 0, wanted_ = 0, busy_ = 0;
};

}  // namespace emu
