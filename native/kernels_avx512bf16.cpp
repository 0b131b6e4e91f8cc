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

Kernels<float> made() {
    Kernels<float> k = kernels_avx512();
    k.block_bfloat16 = [](const Block<float, BFloat16, BFloat16> &s) { in_blocks<BFloat16Products, 14, 24>(s); };
    return k;
}

}  // namespace

const Kernels<float> &kernels_avx512bf16() {
    static const Kernels<float> kernels = made();
    return kernels;
}
