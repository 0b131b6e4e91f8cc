#include "team.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>

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

// How numbers are rounded, and whether tiny ones are flushed to zero: the caller's way is that of all members, else the bits
// would depend on who computes them.
#if defined(__x86_64__) || defined(__i386__)
uint32_t arithmetic() { return _mm_getcsr() & ~0x3fu; }  // (without the flags of what has happened)
void set_arithmetic(uint32_t mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__)
uint64_t arithmetic() {
    uint64_t mode;
    asm volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
void set_arithmetic(uint64_t mode) { asm volatile("msr fpcr, %0" : : "r"(mode)); }
#else
int arithmetic() { return 0; }
void set_arithmetic(int) {}
#endif

// Within its life, threads that are made get no signals: those are for Python's threads, which may be asleep in the system.
class Unsignalled {
public:
    Unsignalled() {
        sigset_t all;
        sigfillset(&all);
        for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigdelset(&all, fault);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~Unsignalled() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_;
};

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
    int gathered(int wanted) {
        std::lock_guard<std::mutex> one_at_a_time(running_);
        grow(wanted - 1);
        return std::min(wanted, workers_ + 1);
    }

    void run(int members, const std::function<void(int)> &job) {
        std::lock_guard<std::mutex> one_at_a_time(running_);
        job_ = &job;
        arithmetic_ = arithmetic();
        working_.store(static_cast<uint32_t>(members - 1), std::memory_order_relaxed);
        number_ = (number_ + 1) & 0xffffff;
        call_.store(number_ << 8 | static_cast<uint32_t>(members), std::memory_order_release);
        wake_all(call_);
        job(0);
        for (uint32_t left; (left = working_.load(std::memory_order_acquire)) != 0;) wait_for_change(working_, left);
    }

private:
    void grow(int workers) {
        if (workers_ >= workers) return;
        Unsignalled here;
        const uint32_t seen = call_.load(std::memory_order_relaxed);
        try {
            for (; workers_ < workers; ++workers_)
                std::thread([this, place = workers_ + 1, seen] { work(place, seen); }).detach();
        } catch (const std::exception &) {
            // the system gives no more threads: those that there are do the work
        }
    }

    [[noreturn]] void work(int place, uint32_t seen) {
        for (;;) {
            wait_for_change(call_, seen);
            seen = call_.load(std::memory_order_acquire);
            // who is no member may see a call late, or never; a member is waited for, so its job is still there
            if (place >= static_cast<int>(seen & 0xff)) continue;
            set_arithmetic(arithmetic_);
            (*job_)(place);
            if (working_.fetch_sub(1, std::memory_order_acq_rel) == 1) wake_all(working_);
        }
    }

    std::mutex running_;
    int workers_ = 0;
    std::atomic<uint32_t> call_{0};  // the number of the job, and in the last byte how many members it has
    std::atomic<uint32_t> working_{0};
    uint32_t number_ = 0;
    const std::function<void(int)> *job_ = nullptr;
    decltype(arithmetic()) arithmetic_{};
};

// Never destroyed: its threads may still be waiting when the process ends. After a fork the child has none of them, and
// a lock of its parent may be held in it for ever: it starts anew.
std::atomic<Team *> the_team{nullptr};

[[maybe_unused]] const int forked = pthread_atfork(nullptr, nullptr, [] { the_team.store(nullptr); });

Team &team() {
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

int gathered(int wanted) { return wanted <= 1 ? 1 : team().gathered(std::min(wanted, 255)); }

void run_together(int members, const std::function<void(int)> &job) {
    if (members <= 1)
        job(0);
    else
        team().run(members, job);
}

}  // namespace unrolled
