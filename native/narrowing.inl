// Numbers rounded to bfloat16.
// Part of kernels.inl, which says why all is in an anonymous namespace.

#pragma once
#include "kernels.h"
#include "vectors.inl"

namespace {

// The upper half of a float, rounded; NaN stays NaN.
template <int LANES>
struct Narrowing {
    using Floats = typename Vectors<float, LANES>::Vector;
    using Words = typename Vectors<uint32_t, LANES>::Vector;
    using Halves = typename Vectors<uint16_t, LANES>::Vector;

    static inline Words rounded(Floats value) {
        Words bits = reinterpret_cast<Words>(value);
        Words up = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
        return (bits & 0x7fffffff) > 0x7f800000 ? (bits >> 16) | 0x40 : up;
    }
    static inline Floats load(const float *from, int64_t count) {
        using V = Vectors<float, LANES>;
        return count >= LANES ? V::load(from) : V::load_some(from, count);
    }

    static void narrow(const float *from, int64_t count, BFloat16 *to) {
        for (int64_t at = 0; at < count; at += LANES) {
            Halves halves = __builtin_convertvector(rounded(load(from + at, count - at)), Halves);
            std::memcpy(to + at, &halves, static_cast<size_t>(count - at < LANES ? count - at : LANES) * 2);
        }
    }
    static void narrow_pairs(const float *first, const float *second, int64_t count, BFloat16 *to) {
        for (int64_t at = 0; at < count; at += LANES) {
            Words pairs = rounded(load(first + at, count - at)) | rounded(load(second + at, count - at)) << 16;
            std::memcpy(to + 2 * at, &pairs, static_cast<size_t>(count - at < LANES ? count - at : LANES) * 4);
        }
    }
    static void fill(Kernels<float> &kernels) { kernels.narrow = narrow, kernels.narrow_pairs = narrow_pairs; }
};

}  // namespace
