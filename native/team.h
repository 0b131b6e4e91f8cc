// Threads that work together. Knows nothing of what they do.
//
// One team for the process. Nobody waits for a thread that has not come yet: whoever is there does the work, so a core that
// another process keeps busy slows a job down by its own share at most. A thread that waits spins for a tenth of a millisecond and
// then sleeps, so that a waiting thread never keeps a core from one that works.

#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "ranges.h"

namespace unrolled {

// Call job(0) in the calling thread and job(1) ... job(members - 1) in others, as they come; return when job(0) has returned
// and all others that came. So a job hands its work out piece by piece, and job(0) returns when there is none left to begin.
// All round as the calling thread does. One job runs at a time: a second caller waits. A child of a fork has a team of its own.
// There are 255 members at most. A job must not throw.
void run_together(int members, const std::function<void(int)> &job);

constexpr int kMostThreads = 255;
inline int clamped(int threads) { return std::clamp(threads, 1, kMostThreads); }

// piece(0, member) ... piece(count - 1, member), in any order, each by whoever is free.
template <class Do>
void in_pieces(int members, int64_t count, Do &&piece) {
    std::atomic<int64_t> next{0};
    run_together(static_cast<int>(std::min<int64_t>(members, count)), [&](int member) {
        for (int64_t one; (one = next.fetch_add(1, std::memory_order_relaxed)) < count;) piece(one, member);
    });
}

// A number that threads wait for to change.
class Signal {
public:
    explicit Signal(uint32_t value) : value_(value) {}
    uint32_t get() const { return value_.load(std::memory_order_seq_cst); }
    void set_quietly(uint32_t value) { value_.store(value, std::memory_order_seq_cst); }  // wakes nobody
    void set(uint32_t value);
    void add(uint32_t more);  // (a negative one wraps around)
    void wait_while(uint32_t value);

private:
    void wake();

    std::atomic<uint32_t> value_;
    std::atomic<int> sleepers_{0};
};

// Rounds of pieces: nobody begins a round before all pieces of the round before are done. Each member first does its own
// share of the pieces, the same ones in every round (they are in its cache), and then what others have not begun.
class Rounds {
public:
    // Round r has pieces[r % pieces.size()] pieces.
    Rounds(int members, std::vector<int> pieces, uint32_t rounds);

    // work(round, piece) for all rounds, as one of the members.
    template <class Do>
    void take_part(int member, Do &&work) {
        for (uint32_t round = round_.get(); round < rounds_; round = round_.get()) {
            int done = 0;
            for (int other = 0; other < members_; ++other)
                for (int piece; (piece = begin_a_piece((member + other) % members_, round)) >= 0; ++done) work(round, piece);
            if (done > 0 && left_.fetch_sub(done) == done)
                open(round + 1);
            else
                round_.wait_while(round);
        }
    }

private:
    struct alignas(64) Share {
        std::atomic<uint64_t> next{0};  // the round, and in the lower half the next piece
    };

    Range share_of(int member, uint32_t round) const;
    int begin_a_piece(int member, uint32_t round);  // a piece of that member's share that nobody has begun; -1: there is none
    void open(uint32_t round);

    const int members_;
    const std::vector<int> pieces_;
    const uint32_t rounds_;
    std::unique_ptr<Share[]> shares_;
    alignas(64) std::atomic<int> left_{0};  // pieces of this round that are not done
    alignas(64) Signal round_{0};
};

}  // namespace unrolled
