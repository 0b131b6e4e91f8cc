// Threads that work together. Knows nothing of what they do.
//
// One team for the process. A thread that waits spins for some microseconds and then sleeps, so that a waiting thread
// never keeps a core from one that works.

#pragma once
#include <atomic>
#include <cstdint>
#include <functional>

namespace unrolled {

// Where all members of a job wait for each other, as often as they like.
class Barrier {
public:
    explicit Barrier(int members) : members_(members) {}
    void wait();

private:
    const int members_;
    std::atomic<int> arrived_{0};
    std::atomic<uint32_t> round_{0};
};

// Numbers handed out one by one, to whoever asks first.
class Counter {
public:
    int64_t next() { return next_.fetch_add(1, std::memory_order_relaxed); }
    void reset() { next_.store(0, std::memory_order_relaxed); }

private:
    std::atomic<int64_t> next_{0};
};

// How many can work together: as many as are wanted, up to 255, or fewer where the system gives no more threads.
int gathered(int wanted);

// Call job(0), job(1) ... job(members - 1) at once, job(0) in the calling thread; return when all have returned. `members`
// have been gathered. They round as the calling thread does. One job runs at a time: a second caller waits. A child of a fork
// has a team of its own. A job must not throw.
void run_together(int members, const std::function<void(int)> &job);

}  // namespace unrolled
