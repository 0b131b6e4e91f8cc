// The contract between Unrolled's Python and its engine: what a program is, and what each pointer must hold.
// Knows pointers, shapes and time. Knows neither Python, nor gradients, nor text.
//
// A program computes values for B rows over T steps. It has five phases, in this order:
//
//   once     one row, no time       what parameters alone say
//   before   all T * B rows         what the loop needs and no state is needed for
//   loop     B rows, step by step   forwards (t = 0, 1 ...) or backwards (t = T-1, T-2 ...)
//   after    all T * B rows         what a state is needed for and no state needs
//   final    one row, no time       what follows from sums over all rows and steps
//
// and in each a list of stages. A stage is a segment (element-wise instructions, tile by tile) or a product with a packed
// matrix, in any phase; a sum over all rows and steps, after the loop; or, in the loop, a lookup of symbols in a table, or a
// choice of symbols.
//
// Every value lies in a buffer: element (t, row, column) at data + t * step + row * ld + column, counted in elements.
// In the flat phases the T * B rows of a buffer must lie evenly, so step == B * ld, unless step is 0: a segment may read
// such a buffer, which holds one step for all. A vector has ld == step == 0. The caller owns all buffers and gives each
// the size its use needs; a state that is carried is read in a buffer that ends one step before (or behind) the one in
// which it is written, and its slot of the first step is the caller's to fill. Nothing is read that neither the caller nor
// an earlier stage has written. There may be no steps, or no rows.
// Buffers may not overlap, but a carried value may be written over the one it follows; a value of the loop over one of the
// same step and columns that no later instruction reads; and what the last stages fill may hold packed matrices until then.

#pragma once
#include <cstdint>

#define UNROLLED_PUBLIC __attribute__((visibility("default")))

extern "C" {

struct UnrolledBuffer {
    void *data;
    int64_t ld;
    int64_t step;
};

// Where an instruction finds an operand: in a register of the tile, a buffer, or a constant.
struct UnrolledOperand {
    int32_t kind;    // UNROLLED_NOTHING, _REGISTER, _BUFFER, _CONSTANT
    int32_t index;   // of the register, the buffer, or the constant
    int32_t column;  // of a buffer: the first
};

enum { UNROLLED_NOTHING, UNROLLED_REGISTER, UNROLLED_BUFFER, UNROLLED_CONSTANT };

// result = operation(operands), element by element over `width` columns. The result may lie where an operand lies.
struct UnrolledInstruction {
    int32_t operation;  // see UnrolledOperation
    int32_t width;
    UnrolledOperand result;
    UnrolledOperand operands[3];
    double number;      // of a norm: eps
};

enum UnrolledOperation {
    // one operand
    UNROLLED_COPY, UNROLLED_NEGATIVE, UNROLLED_ABSOLUTE, UNROLLED_EXP, UNROLLED_LOG, UNROLLED_SQRT, UNROLLED_SIN,
    UNROLLED_COS, UNROLLED_SIGMOID, UNROLLED_TANH, UNROLLED_RELU, UNROLLED_SOFTPLUS,
    // two
    UNROLLED_ADD, UNROLLED_SUBTRACT, UNROLLED_MULTIPLY, UNROLLED_DIVIDE, UNROLLED_MAXIMUM, UNROLLED_MINIMUM,
    UNROLLED_POWER, UNROLLED_GREATER, UNROLLED_GREATER_EQUAL, UNROLLED_LESS, UNROLLED_LESS_EQUAL,
    UNROLLED_SIGMOID_GRADIENT,  // g, y:  g * y * (1 - y)
    UNROLLED_TANH_GRADIENT,     // g, y:  g * (1 - y * y)
    // three
    UNROLLED_WHERE,             // a comparison (1 or 0), a, b
    UNROLLED_ROWS_WHERE,        // a mask of bytes [T, B] (a buffer with ld 1), a, b
    UNROLLED_MULTIPLY_ADD,      // a * b + c
    // whole rows
    UNROLLED_NORMALISED,        // (a - mean) / sqrt(variance + eps), over the units of each row
    UNROLLED_NORMALISED_GRADIENT,  // g, a: the gradient of a from that of normalised(a)
    UNROLLED_OPERATIONS
};

// destination[r, n] = init[r, n] + sum over k of value[r, k] * matrix[k, n]: at one level of instructions the same bits for
// any number of rows, threads and steps. float32 and float64: added in the order of k, one by one, from init on. bfloat16:
// the same, or pair by pair in the order of the processor's own instruction. int8: 512 by 512, each from zero, times the
// scale, and then added. The columns are `parts` equal ones, each packed on its own.
// `init`: -1 for zeros; the destination's own buffer and column to add to what is there; a vector for a bias.
struct UnrolledProduct {
    int32_t value, value_column;
    int32_t matrix;
    int32_t destination, destination_column;
    int32_t init, init_column;
};

// A matrix for products: data [rows, columns] of the type of the program, row by row.
// transposed == 0:  the product is as wide as it has rows (W v);  1: as it has columns (W^T g).
struct UnrolledMatrix {
    int32_t rows, columns, transposed, parts;
};

// destination[n, k] = sum over all rows r and steps of gradient[r, n] * value[r, k], n below `rows`, k below `columns`;
// gradient == -1 and rows == 1: of value[r, k]. The rows are added in fixed blocks: the same bits for any threads.
struct UnrolledSum {
    int32_t gradient, gradient_column, rows;
    int32_t value, value_column, columns;
    int32_t destination;  // row by row, without gaps
};

// destination[r] = the row ids[r] of a table of `height` rows, `width` columns; row 0 for a number outside the table.
// `ids`: a buffer of int64 [T, B]. The table is a buffer whose step is 0.
struct UnrolledLookup {
    int32_t ids, table, height;
    int32_t destination, width;
};

// ids[r] = a symbol drawn by the logits [T, B, width]: by the probabilities softmax(logits / temperature), of the top_k
// most likely symbols (0: all), and of these of the most likely that have top_p together. Symbols are laid side by side in
// their order; numbers[r] (a buffer of double [T, B], from 0 to below 1) says how far along them the drawn one lies.
// Temperature 0: the most likely, the first of equals. -1: the logits are not finite.
struct UnrolledChoice {
    int32_t logits, width;
    int32_t numbers;
    int32_t ids;  // a buffer of int64 [T, B]
    int32_t top_k;
    double temperature, top_p;
};

struct UnrolledStage {
    int32_t kind;    // UNROLLED_SEGMENT, _PRODUCT, _SUM, _LOOKUP, _CHOICE
    int32_t phase;
    int32_t first;   // of the instructions; or the product, the sum, the lookup, the choice
    int32_t count;   // of instructions
    int32_t sliced;  // of a segment: how wide all its values are, if any range of columns can be computed alone; else 0
    int32_t barrier; // in the loop: where units are split among threads, all have to arrive before this stage begins
};

enum { UNROLLED_SEGMENT, UNROLLED_PRODUCT, UNROLLED_SUM, UNROLLED_LOOKUP, UNROLLED_CHOICE };
enum { UNROLLED_ONCE, UNROLLED_BEFORE, UNROLLED_LOOP, UNROLLED_AFTER, UNROLLED_FINAL };

struct UnrolledProgram {
    int32_t type;       // UNROLLED_FLOAT32, _FLOAT64; _BFLOAT16 (matrices and what they multiply; all else is float32),
                        // _INT8 (matrices, with a scale for each column; all else is float32)
    int32_t level;      // of instructions; one that this processor has. Its matrices are packed for the same level
    int32_t registers, widest;  // how many a tile has; the widest value of an instruction
    int32_t stage_count, matrix_count, constant_count;
    const UnrolledStage *stages;
    const UnrolledInstruction *instructions;
    const UnrolledProduct *products;
    const UnrolledSum *sums;
    const UnrolledLookup *lookups;
    const UnrolledChoice *choices;
    const UnrolledMatrix *matrices;
    const double *constants;
};

enum { UNROLLED_FLOAT32, UNROLLED_FLOAT64, UNROLLED_BFLOAT16, UNROLLED_INT8 };

// How many bytes `unrolled_pack` fills for one matrix.
UNROLLED_PUBLIC int64_t unrolled_packed_size(const UnrolledMatrix *matrix, int32_t type, int32_t level);
// Lay `count` matrices out for products. Their data has the type float, or double for UNROLLED_FLOAT64; what is packed is
// 64-byte aligned. `threads`, here and below: how many may work, as a number from 1 to 255; one outside is taken for the
// nearest. The bits do not depend on it. Returns 0, or UNROLLED_NO_MEMORY.
UNROLLED_PUBLIC int32_t unrolled_pack(const UnrolledMatrix *matrices, int32_t count, int32_t type, int32_t level,
                                      const void *const *data, void *const *packed, int32_t threads);

// Run a program. `packed`: one for each matrix. `backwards`: the loop runs from T-1 to 0. `split`: how the threads share the
// loop; the bits do not depend on it. Returns 0, or UNROLLED_NO_MEMORY: what the program fills is then not to be used.
UNROLLED_PUBLIC int32_t unrolled_run(const UnrolledProgram *program, const UnrolledBuffer *buffers,
                                     const void *const *packed, int64_t steps, int64_t batch, int32_t backwards,
                                     int32_t threads, int32_t split);

// Noise: which random numbers to draw, see native/noise.cpp. Element (t, r, u) is `value` if word u % 4 of the counter
// (u / 4, row + r, step + t, stream) under the key `seed` is at most `limit`, else 0; sums wrap around at 2^32.
struct UnrolledNoise {
    uint64_t seed;
    uint32_t stream, step, row, limit;
    double value;
};
// Fill data [steps, rows, units] of the type float, or double for UNROLLED_FLOAT64. Returns 0, or UNROLLED_NO_MEMORY.
UNROLLED_PUBLIC int32_t unrolled_draw(const UnrolledNoise *noise, int32_t type, void *data, int64_t steps, int64_t rows,
                                      int64_t units, int32_t threads);

enum { UNROLLED_BY_RULE, UNROLLED_BY_ROWS, UNROLLED_BY_UNITS };

enum { UNROLLED_NO_MEMORY = 1 };

// The levels of instructions, in rising order: "generic", "avx2", "avx512", "avx512bf16" ...; and whether this processor
// has one. Each program names its own: there is none that another thread could change under it.
UNROLLED_PUBLIC int32_t unrolled_levels(void);
UNROLLED_PUBLIC const char *unrolled_level_name(int32_t level);
UNROLLED_PUBLIC int32_t unrolled_has_level(int32_t level);
// The SHA-256 of the sources that this library was built from: of the hashes of all files of native/, in the order of their names.
UNROLLED_PUBLIC const char *unrolled_sources(void);
}
