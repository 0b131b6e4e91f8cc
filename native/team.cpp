#include "team.h"

#include <pthread.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace unrolled {
namespace {

constexpr int kSpins = 2000;  // about 20 microseconds, then sleep

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Wait until the value is another; spin first, then sleep.
void wait_for_change(std::atomic<uint32_t> &value, uint32_t old) {
    for (int spin = 0; spin < kSpins; ++spin) {
        if (value.load(std::memory_order_acquire) != old) return;
        pause();
    }
    while (value.load(std::memory_order_acquire) == old) {
#if defined(__linux__)
        syscall(SYS_futex, reinterpret_cast<uint32_t *>(&value), FUTEX_WAIT_PRIVATE, old, nullptr, nullptr, 0);
#else
        std::this_thread::yield();
#endif
    }
}

void wake_all(std::atomic<uint32_t> &value) {
#if defined(__linux__)
    syscall(SYS_futex, reinterpret_cast<uint32_t *>(&value), FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
#else
    (void)value;
#endif
}

// Threads that wait for jobs. They live as long as the process.
class Team {
public:
    void run(int members, const std::function<void(int)> &job) {
        std::lock_guard<std::mutex> one_at_a_time(running_);
        grow(members - 1);
        job_ = &job;
        working_.store(static_cast<uint32_t>(members - 1), std::memory_order_relaxed);
        number_ = (number_ + 1) & 0xffffff;
        call_.store(number_ << 8 | static_cast<uint32_t>(members), std::memory_order_release);
        wake_all(call_);
        job(0);
        for (uint32_t left; (left = working_.load(std::memory_order_acquire)) != 0;) wait_for_change(working_, left);
    }

private:
    void grow(int workers) {
        while (static_cast<int>(workers_.size()) < workers) {
            int place = static_cast<int>(workers_.size()) + 1;
            uint32_t seen = call_.load(std::memory_order_relaxed);
            workers_.emplace_back([this, place, seen] { work(place, seen); });
            workers_.back().detach();
        }
    }

    [[noreturn]] void work(int place, uint32_t seen) {
        for (;;) {
            wait_for_change(call_, seen);
            seen = call_.load(std::memory_order_acquire);
            // who is no member may see a call late, or never; a member is waited for, so its job is still there
            if (place >= static_cast<int>(seen & 0xff)) continue;
            (*job_)(place);
            if (working_.fetch_sub(1, std::memory_order_acq_rel) == 1) wake_all(working_);
        }
    }

    std::mutex running_;
    std::vector<std::thread> workers_;
    std::atomic<uint32_t> call_{0};  // the number of the job, and in the last byte how many members it has
    std::atomic<uint32_t> working_{0};
    uint32_t number_ = 0;
    const std::function<void(int)> *job_ = nullptr;
};

// Never destroyed: its threads may still be waiting when the process ends. After a fork the child has none of them, and
// a lock of its parent may be held in it for ever: it starts anew.
std::atomic<Team *> the_team{nullptr};

Team &team() {
    static const int forked = pthread_atfork(nullptr, nullptr, [] { the_team.store(nullptr); });
    (void)forked;
    Team *found = the_team.load(std::memory_order_acquire);
    if (found == nullptr) {
        Team *made = new Team;
        if (the_team.compare_exchange_strong(found, made)) return *made;
        delete made;
    }
    return *found;
}

}  // namespace

void Barrier::wait() {
    if (members_ == 1) return;
    const uint32_t round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == members_) {
        arrived_.store(0, std::memory_order_relaxed);
        round_.store(round + 1, std::memory_order_release);
        wake_all(round_);
    } else {
        wait_for_change(round_, round);
    }
}

void run_together(int members, const std::function<void(int)> &job) {
    members = members > 255 ? 255 : members;
    if (members <= 1)
        job(0);
    else
        team().run(members, job);
}

}  // namespace unrolled
