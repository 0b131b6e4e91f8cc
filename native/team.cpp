#include "team.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
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

constexpr int kSpins = 64;  // turns between two looks at the clock
constexpr std::chrono::microseconds kAwake{100};  // before a thread sleeps: a call from Python to the next takes no longer

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

void sleep_while(std::atomic<uint32_t> &value, uint32_t old) {
#if defined(__linux__)
    syscall(SYS_futex, reinterpret_cast<uint32_t *>(&value), FUTEX_WAIT_PRIVATE, old, nullptr, nullptr, 0);
#else
    if (value.load() == old) std::this_thread::yield();
#endif
}

// Threads that wait for jobs. They live as long as the process.
class Team {
public:
    void run(int members, const std::function<void(int)> &job) {
        std::lock_guard<std::mutex> one_at_a_time(running_);
        grow(members - 1);
        job_ = &job;
        arithmetic_ = arithmetic();
        number_ = (number_ + 1) & 0xffffff;
        call_.set(number_ << 8 | static_cast<uint32_t>(members));
        job(0);
        call_.set_quietly(number_ << 8);  // closed: who comes now is no member
        for (uint32_t inside; (inside = inside_.get()) != 0;) inside_.wait_while(inside);
    }

private:
    void grow(int workers) {
        if (workers_ >= workers) return;
        Unsignalled here;
        const uint32_t seen = call_.get();
        try {
            for (; workers_ < workers; ++workers_)
                std::thread([this, place = workers_ + 1, seen] { work(place, seen); }).detach();
        } catch (const std::exception &) {
            // the system gives no more threads: those that there are do the work
        }
    }

    [[noreturn]] void work(int place, uint32_t seen) {
        for (;;) {
            call_.wait_while(seen);
            seen = call_.get();
            if (place >= static_cast<int>(seen & 0xff)) continue;
            inside_.add(1);
            // either the caller sees that one more is inside, or this sees that the job is closed
            if (call_.get() == seen) {
                set_arithmetic(arithmetic_);
                (*job_)(place);
            }
            inside_.add(static_cast<uint32_t>(-1));
        }
    }

    std::mutex running_;
    int workers_ = 0;
    Signal call_{0};    // the number of the job, and in the last byte how many members it has
    Signal inside_{0};  // how many are at work, besides the caller
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

void Signal::set(uint32_t value) {
    set_quietly(value);
    wake();
}

void Signal::add(uint32_t more) {
    value_.fetch_add(more, std::memory_order_seq_cst);
    wake();
}

void Signal::wake() {
    if (sleepers_.load(std::memory_order_seq_cst) == 0) return;
#if defined(__linux__)
    syscall(SYS_futex, reinterpret_cast<uint32_t *>(&value_), FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
#endif
}

void Signal::wait_while(uint32_t value) {
    const auto begin = std::chrono::steady_clock::now();
    do {
        for (int spin = 0; spin < kSpins; ++spin) {
            if (value_.load(std::memory_order_acquire) != value) return;
            pause();
        }
    } while (std::chrono::steady_clock::now() - begin < kAwake);
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    while (value_.load(std::memory_order_seq_cst) == value) sleep_while(value_, value);
    sleepers_.fetch_sub(1, std::memory_order_seq_cst);
}

Rounds::Rounds(int members, std::vector<int> pieces, uint32_t rounds)
    : members_(members), pieces_(std::move(pieces)), rounds_(rounds), shares_(new Share[static_cast<size_t>(members)]) {
    open(0);
}

Range Rounds::share_of(int member, uint32_t round) const {
    return share(pieces_[round % pieces_.size()], member, members_);
}

int Rounds::begin_a_piece(int member, uint32_t round) {
    std::atomic<uint64_t> &next = shares_[static_cast<size_t>(member)].next;
    const int64_t end = share_of(member, round).end;
    uint64_t seen = next.load(std::memory_order_acquire);
    while (seen >> 32 == round && static_cast<int64_t>(seen & 0xffffffff) < end)
        if (next.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel)) return static_cast<int>(seen & 0xffffffff);
    return -1;
}

void Rounds::open(uint32_t round) {
    if (round < rounds_) {
        left_.store(pieces_[round % pieces_.size()]);
        for (int member = 0; member < members_; ++member) {
            const uint64_t first = static_cast<uint64_t>(share_of(member, round).begin);
            shares_[static_cast<size_t>(member)].next.store(uint64_t{round} << 32 | first, std::memory_order_release);
        }
    }
    round_.set(round);
}

void run_together(int members, const std::function<void(int)> &job) {
    if (members <= 1)
        job(0);
    else
        team().run(clamped(members), job);
}

}  // namespace unrolled
