// Products of rows with panels.
// Part of kernels.inl, which says why all is in an anonymous namespace.

#pragma once
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "kernels.h"
#include "vectors.inl"

namespace {

// Two vectors of columns make a panel. ROWS rows of PANELS panels stay in registers while k runs; every sum is one
// chain from its init upwards in k, whatever ROWS and PANELS are.
template <class T, int LANES>
struct Products {
    using V = Vectors<T, LANES>;
    using Vector = typename V::Vector;
    static constexpr int PANEL = 2 * LANES;

    template <int ROWS, int PANELS, class AnyBlock, class Step>
    static inline void work(const AnyBlock &s, int64_t row, int64_t panel, Step step) {
        Vector sums[ROWS][PANELS][2];
        const int64_t column = panel * PANEL;
        T *c = s.c + row * s.c_row + column;
        const T *init = s.init == nullptr ? nullptr : s.init + row * s.init_row + column;
        const int64_t width = s.width - column;
        const bool whole = width >= PANELS * PANEL;
        for (int r = 0; r < ROWS; ++r)
            for (int p = 0; p < PANELS; ++p)
                for (int v = 0; v < 2; ++v) {
                    const int at = p * PANEL + v * LANES;
                    const bool from_zero = init == nullptr || s.last || s.scales != nullptr;
                    sums[r][p][v] = from_zero ? Vector{} : start(init + r * s.init_row, at, width, whole);
                }
        fetch<ROWS>(s, init, row + ROWS < s.rows ? ROWS * s.init_row : PANELS * PANEL);
        step(sums, s.a + row * s.a_row, s.b + panel * s.panel_stride);
        for (int r = 0; r < ROWS; ++r)
            for (int p = 0; p < PANELS; ++p)
                for (int v = 0; v < 2; ++v) {
                    const int at = p * PANEL + v * LANES;
                    if (s.scales != nullptr) sums[r][p][v] *= scale(s.scales + column + at);
                    if (init != nullptr && (s.last || s.scales != nullptr))
                        sums[r][p][v] += start(init + r * s.init_row, at, width, whole);
                    if (whole)
                        V::store(c + r * s.c_row + at, sums[r][p][v]);
                    else
                        V::store_some(c + r * s.c_row + at, sums[r][p][v], part(width - at));
                }
    }
    static inline Vector start(const T *init, int at, int64_t width, bool whole) {
        return whole ? V::load(init + at) : V::load_some(init + at, part(width - at));
    }

    static inline Vector scale(const float *scales) {
        typename Vectors<float, LANES>::Vector found;
        std::memcpy(&found, scales, sizeof(found));
        return __builtin_convertvector(found, Vector);
    }

    // What the next block starts from, `ahead` elements further: it may come from far away, and takes as long as this one.
    template <int ROWS, class AnyBlock>
    static inline void fetch(const AnyBlock &s, const T *init, int64_t ahead) {
        if (init == nullptr || s.init_row == 0) return;
        for (int r = 0; r < ROWS; ++r) {
            __builtin_prefetch(init + ahead + r * s.init_row);
            __builtin_prefetch(init + ahead + r * s.init_row + LANES);
        }
    }
    static inline int64_t part(int64_t left) { return left < 0 ? 0 : left > LANES ? LANES : left; }

    // Rows that lie side by side (of a sum over all steps) need no addresses of their own.
    template <int ROWS, int PANELS, class Element>
    static void rows_of(const Block<T, T, Element> &s, int64_t row, int64_t panel) {
        if (s.a_row == 1)
            added<ROWS, PANELS>(s, row, panel, [](int r) { return int64_t(r); });
        else
            added<ROWS, PANELS>(s, row, panel, [&](int r) { return r * s.a_row; });
    }

    template <int ROWS, int PANELS, class Element, class At>
    static inline void added(const Block<T, T, Element> &s, int64_t row, int64_t panel, At at) {
        work<ROWS, PANELS>(s, row, panel, [&](auto &sums, const T *a, const Element *b) {
            for (int64_t k = 0; k < s.depth; ++k) {
                Vector columns[PANELS][2];
#pragma GCC unroll 16
                for (int p = 0; p < PANELS; ++p)
#pragma GCC unroll 2
                    for (int v = 0; v < 2; ++v) columns[p][v] = converted(b + p * s.panel_stride + v * LANES);
#pragma GCC unroll 16
                for (int r = 0; r < ROWS; ++r) {
                    const T number = a[at(r)];
#pragma GCC unroll 16
                    for (int p = 0; p < PANELS; ++p)
#pragma GCC unroll 2
                        for (int v = 0; v < 2; ++v) sums[r][p][v] += number * columns[p][v];
                }
                a += s.a_step;
                b += s.b_step;
            }
        });
    }

    static inline Vector converted(const T *from) { return V::load(from); }
    // (by hand where there is an instruction: the compiler's own conversion of bytes goes one by one)
    static inline Vector converted(const int8_t *from) {
        typename Vectors<int32_t, LANES>::Vector numbers;
#if defined(__AVX512F__)
        numbers = (decltype(numbers))_mm512_maskz_cvtepi8_epi32(0xffff, _mm_loadu_si128((const __m128i *)from));
#elif defined(__AVX2__)
        numbers = (decltype(numbers))_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)from));
#else
        for (int i = 0; i < LANES; ++i) numbers[i] = from[i];
#endif
        return __builtin_convertvector(numbers, Vector);
    }

    // bfloat16 by hand: a number is the upper half of a float.
    template <int ROWS, int PANELS>
    static void rows_of(const Block<T, BFloat16, BFloat16> &s, int64_t row, int64_t panel) {
        using Words = typename Vectors<uint32_t, LANES>::Vector;
        work<ROWS, PANELS>(s, row, panel, [&](auto &sums, const BFloat16 *a, const BFloat16 *b) {
            for (int64_t k = 0; k < s.depth; k += 2) {
                for (int p = 0; p < PANELS; ++p)
                    for (int v = 0; v < 2; ++v) {
                        Words pair;
                        std::memcpy(&pair, b + p * s.panel_stride + 2 * v * LANES, sizeof(pair));
                        Vector even = reinterpret_cast<Vector>(pair << 16);
                        Vector odd = reinterpret_cast<Vector>(pair & 0xffff0000u);
                        for (int r = 0; r < ROWS; ++r) {
                            sums[r][p][v] += widened(a[r * s.a_row]) * even;
                            sums[r][p][v] += widened(a[r * s.a_row + 1]) * odd;
                        }
                    }
                a += s.a_step;
                b += s.b_step;
            }
        });
    }
    static inline float widened(BFloat16 number) {
        uint32_t bits = static_cast<uint32_t>(number) << 16;
        float value;
        std::memcpy(&value, &bits, 4);
        return value;
    }
};

// Which of the instantiations serves: few rows want many panels, so that enough sums are on their way at once.
template <class P, int MOST_ROWS, int ROWS, int SUMS, class AnyBlock>
inline void in_rows(const AnyBlock &s, int64_t row, int64_t rows) {
    if constexpr (ROWS > 1) {
        if (rows < ROWS) return in_rows<P, MOST_ROWS, ROWS - 1, SUMS>(s, row, rows);
    }
    constexpr int PANELS = ROWS * 2 * 2 > SUMS ? 1 : SUMS / (ROWS * 2) < kMostPanels ? SUMS / (ROWS * 2) : kMostPanels;
    int64_t panel = 0;
    for (; panel + PANELS <= s.panels; panel += PANELS) P::template rows_of<ROWS, PANELS>(s, row, panel);
    if constexpr (PANELS > 1)
        for (; panel < s.panels; ++panel) P::template rows_of<ROWS, 1>(s, row, panel);
}

// The rows in blocks of nearly the same size, of MOST_ROWS at most. SUMS: how many vectors of sums fit into registers.
template <class P, int MOST_ROWS, int SUMS, class AnyBlock>
inline void in_blocks(const AnyBlock &s) {
    const int64_t blocks = (s.rows + MOST_ROWS - 1) / MOST_ROWS;
    for (int64_t block = 0; block < blocks; ++block) {
        const int64_t first = s.rows * block / blocks, end = s.rows * (block + 1) / blocks;
        in_rows<P, MOST_ROWS, MOST_ROWS, SUMS>(s, first, end - first);
    }
}

}  // namespace
