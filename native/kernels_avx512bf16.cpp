// AVX-512 with bfloat16: products of pairs. All else is AVX-512's.

#include <immintrin.h>

#include "kernels.inl"

namespace {

struct BFloat16Products : Products<float, 16> {
    template <int ROWS, int PANELS>
    static void rows_of(const Block<float, BFloat16, BFloat16> &s, int64_t row, int64_t panel) {
        work<ROWS, PANELS>(s, row, panel, [&](auto &sums, const BFloat16 *a, const BFloat16 *b) {
            for (int64_t k = 0; k < s.depth; k += 2) {
                __m512bh columns[PANELS][2];
#pragma GCC unroll 16
                for (int p = 0; p < PANELS; ++p)
#pragma GCC unroll 2
                    for (int v = 0; v < 2; ++v)
                        columns[p][v] = (__m512bh)_mm512_loadu_si512(b + p * s.panel_stride + 32 * v);
#pragma GCC unroll 16
                for (int r = 0; r < ROWS; ++r) {
                    int32_t pair;
                    std::memcpy(&pair, a + r * s.a_row, 4);
                    const __m512bh both = (__m512bh)_mm512_set1_epi32(pair);
#pragma GCC unroll 16
                    for (int p = 0; p < PANELS; ++p)
#pragma GCC unroll 2
                        for (int v = 0; v < 2; ++v)
                            sums[r][p][v] = (Vector)_mm512_dpbf16_ps((__m512)sums[r][p][v], both, columns[p][v]);
                }
                a += s.a_step;
                b += s.b_step;
            }
        });
    }
};

__mmask16 mask(int64_t count) { return static_cast<__mmask16>(count < 16 ? (1 << count) - 1 : 0xffff); }

// (with zeros in the place of numbers too small for a normal float: the products would take them for zeros, too)
__m256i narrowed(const float *from, int64_t count) {
    return (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask(count), from));
}

void narrow(const float *from, int64_t count, BFloat16 *to) {
    for (int64_t at = 0; at < count; at += 16)
        _mm256_mask_storeu_epi16(to + at, mask(count - at), narrowed(from + at, count - at));
}

void narrow_pairs(const float *first, const float *second, int64_t count, BFloat16 *to) {
    for (int64_t at = 0; at < count; at += 16) {
        const __m512i low = _mm512_maskz_cvtepu16_epi32(0xffff, narrowed(first + at, count - at));
        const __m512i high = _mm512_maskz_cvtepu16_epi32(0xffff, narrowed(second + at, count - at));
        _mm512_mask_storeu_epi32(to + 2 * at, mask(count - at), _mm512_or_si512(low, _mm512_maskz_slli_epi32(0xffff, high, 16)));
    }
}

Kernels<float> made() {
    Kernels<float> k = kernels_avx512();
    k.narrow = narrow, k.narrow_pairs = narrow_pairs;
    k.block_bfloat16 = [](const Block<float, BFloat16, BFloat16> &s) { in_blocks<BFloat16Products, 14, 24>(s); };
    return k;
}

}  // namespace

const Kernels<float> &kernels_avx512bf16() {
    static const Kernels<float> kernels = made();
    return kernels;
}
