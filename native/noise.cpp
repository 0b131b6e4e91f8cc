// Random numbers as a function of where they are used: Philox-4x32-10 (Salmon et al. 2011, "Parallel random numbers: as
// easy as 1, 2, 3"). Knows counters and bits; no cell. Written once more in src/unrolled/engine/noise.py, bit for bit.

#include <algorithm>

#include "team.h"
#include "unrolled.h"

namespace unrolled {
namespace {

constexpr int kWords = 4;   // of one counter
constexpr int kLanes = 16;  // counters at once
constexpr int kRounds = 10;
constexpr int64_t kNumbersWorthAThread = 30000;

// `kLanes` counters that differ in their first word, and the words that they become.
struct Lanes {
    uint32_t word[kWords][kLanes];

    Lanes(uint32_t first, uint32_t row, uint32_t step, uint32_t stream) {
        for (int lane = 0; lane < kLanes; ++lane) {
            word[0][lane] = first + static_cast<uint32_t>(lane);
            word[1][lane] = row, word[2][lane] = step, word[3][lane] = stream;
        }
    }

    void mix(uint64_t seed) {
        uint32_t low = static_cast<uint32_t>(seed), high = static_cast<uint32_t>(seed >> 32);
        for (int round = 0; round < kRounds; ++round, low += 0x9E3779B9u, high += 0xBB67AE85u)
            for (int lane = 0; lane < kLanes; ++lane) {
                const uint64_t p = uint64_t{0xD2511F53u} * word[0][lane], q = uint64_t{0xCD9E8D57u} * word[2][lane];
                word[0][lane] = static_cast<uint32_t>(q >> 32) ^ word[1][lane] ^ low;
                word[1][lane] = static_cast<uint32_t>(q);
                word[2][lane] = static_cast<uint32_t>(p >> 32) ^ word[3][lane] ^ high;
                word[3][lane] = static_cast<uint32_t>(p);
            }
    }
};

template <class T>
void fill_row(const UnrolledNoise &noise, uint32_t step, uint32_t row, T *data, int64_t units) {
    const T value = static_cast<T>(noise.value);
    for (int64_t begin = 0; begin < units; begin += kWords * kLanes) {
        Lanes lanes(static_cast<uint32_t>(begin / kWords), row, step, noise.stream);
        lanes.mix(noise.seed);
        T drawn[kWords * kLanes];
        for (int lane = 0; lane < kLanes; ++lane)
            for (int word = 0; word < kWords; ++word)
                drawn[lane * kWords + word] = lanes.word[word][lane] <= noise.limit ? value : T{0};
        std::copy_n(drawn, std::min<int64_t>(kWords * kLanes, units - begin), data + begin);
    }
}

template <class T>
void fill(const UnrolledNoise &noise, T *data, int64_t steps, int64_t rows, int64_t units, int threads) {
    const int64_t all = steps * rows, pieces = std::min<int64_t>(all, 4 * clamped(threads));
    const int members = static_cast<int>(std::clamp<int64_t>(all * units / kNumbersWorthAThread, 1, clamped(threads)));
    in_pieces(members, pieces, [&](int64_t piece, int) {
        for (int64_t one = all * piece / pieces; one < all * (piece + 1) / pieces; ++one)
            fill_row(noise, noise.step + static_cast<uint32_t>(one / rows),
                     noise.row + static_cast<uint32_t>(one % rows), data + one * units, units);
    });
}

}  // namespace
}  // namespace unrolled

extern "C" int32_t unrolled_draw(const UnrolledNoise *noise, int32_t type, void *data, int64_t steps, int64_t rows,
                                 int64_t units, int32_t threads) try {
    if (type == UNROLLED_FLOAT64)
        unrolled::fill(*noise, static_cast<double *>(data), steps, rows, units, threads);
    else
        unrolled::fill(*noise, static_cast<float *>(data), steps, rows, units, threads);
    return 0;
} catch (const std::bad_alloc &) {
    return UNROLLED_NO_MEMORY;
}
