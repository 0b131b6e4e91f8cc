// What each level of instructions provides: one table of functions for each type of numbers.
// Knows tiles and panels of memory; no programs, no threads.

#pragma once
#include <cstdint>

#include "unrolled.h"

// A tile: `rows` by `width` elements of each operand, rows apart by the strides (0: the same for every row).
template <class T>
struct Tile {
    T *result;
    const T *a, *b, *c;
    int64_t result_stride, a_stride, b_stride, c_stride;
    const uint8_t *mask;  // of ROWS_WHERE: one byte a row, `mask_stride` apart
    int64_t mask_stride;
    int64_t rows, width;
    T number;
};

// Part of a product: c[m, n] = init[m, n] + sum over k of a[m, k] * b[k, n], for `rows` rows m, of which a level works on
// `block_rows` at once, and the columns n of `panels` panels. a[m, k] lies at a + m * a_row + k * a_step. A panel holds
// `depth` rows of as many columns as the level says; panels lie `panel_stride` elements apart, in c their columns lie
// side by side, and `width` columns are stored in all. c and init may be the same. Each sum is one chain of additions that
// starts from init; or, where init is `last`, from zero, and init is added at its end. With scales, init + scale * sum.
template <class T, class Value, class Element>
struct Block {
    const Value *a;
    int64_t a_row, a_step;
    const Element *b;
    int64_t b_step;  // from one row of a panel to the next
    int64_t panel_stride, panels;
    T *c;
    int64_t c_row;
    const T *init;  // null: zeros
    int64_t init_row;
    bool last;
    const float *scales;  // of int8: one for each column
    int64_t rows, depth, width;
};

using BFloat16 = uint16_t;

constexpr int64_t kFewRows = 4;     // so few rows are multiplied with many panels at once,
constexpr int64_t kMostPanels = 4;  // namely these: one row has eight sums on their way then, as many as a processor begins

template <class T>
struct Kernels {
    int32_t panel;        // columns of a panel
    int32_t block_rows;   // rows that are worked on at once
    void (*instruction[UNROLLED_OPERATIONS])(const Tile<T> &);
    void (*block)(const Block<T, T, T> &);
    // The same in bfloat16: depth is even, and the numbers of k and k + 1 lie beside each other, in a and in a panel: those
    // of k begin at a + m * a_row + k / 2 * a_step, and a panel's at k / 2 * b_step.
    void (*block_bfloat16)(const Block<T, BFloat16, BFloat16> &);
    // Numbers rounded to bfloat16, to the nearest, ties to even; NaN stays NaN, and a level may take numbers too small for a
    // normal float for zeros. `pairs`: those of two rows beside each other.
    void (*narrow)(const float *from, int64_t count, BFloat16 *to);
    void (*narrow_pairs)(const float *first, const float *second, int64_t count, BFloat16 *to);
    void (*block_int8)(const Block<T, T, int8_t> &);
};

// Made when first asked for: a level's code runs only on a processor that has it.
const Kernels<float> &kernels_generic();
const Kernels<double> &kernels_generic_double();
#if defined(__x86_64__) || defined(_M_X64)
const Kernels<float> &kernels_avx2();
const Kernels<float> &kernels_avx512();
const Kernels<float> &kernels_avx512bf16();
#endif
