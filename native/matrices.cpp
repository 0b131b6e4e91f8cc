#include "matrices.h"

#include <cmath>
#include <cstring>
#include <new>

#include "dispatch.h"
#include "team.h"

namespace unrolled {

namespace {

constexpr int64_t kAtOnce = 16;     // steps of depth that are read of one column after the other
constexpr int64_t kWidestPanel = 32;
constexpr int64_t kElementsWorthAThread = 100000;

bool is_in_pairs(int32_t type) { return type == UNROLLED_BFLOAT16; }

Shape packed_shape(const UnrolledMatrix &m, int32_t type, int32_t level) {
    const int64_t panel = type == UNROLLED_FLOAT64 ? kernels<double>(level).panel : kernels<float>(level).panel;
    return shape_of(m, panel, is_in_pairs(type));
}

// The columns of one panel, in the matrix's data: column n begins at `from(n)`, its elements are `apart`.
template <class T>
struct Columns {
    const T *first;
    int64_t between, apart, count, depth;
    const T *from(int64_t n) const { return first + std::min(n, count - 1) * between; }
};

template <class T>
Columns<T> columns_of(const UnrolledMatrix &m, const Shape &s, const T *data, int64_t panel) {
    const int64_t within = panel % s.panels * s.panel, column = panel / s.panels * s.part + within;
    const int64_t between = m.transposed ? 1 : m.columns, apart = m.transposed ? m.columns : 1;
    return {data + column * between, between, apart, std::min(s.panel, s.part - within), depth_of(m)};
}

// convert(value, n) says what is written of an element of the panel's column n.
template <class T, class Element, class Convert>
void pack_panel(const Columns<T> &columns, const Shape &s, Element *to, Convert convert) {
    const auto write = [&](int64_t k, int64_t n) {
        to[k * s.panel + n] = n < columns.count ? convert(columns.from(n)[k * columns.apart], n) : Element{};
    };
    if (columns.between == 1) {  // a row of the panel lies in one piece
        for (int64_t k = 0; k < s.depth; ++k)
            for (int64_t n = 0; n < s.panel; ++n) write(k, n);
        return;
    }
    for (int64_t begin = 0; begin < s.depth; begin += kAtOnce)
        for (int64_t n = 0; n < s.panel; ++n)
            for (int64_t k = begin; k < std::min(s.depth, begin + kAtOnce); ++k) write(k, n);
}

typedef float Four __attribute__((vector_size(16)));
typedef int32_t Places __attribute__((vector_size(16)));
#if defined(__clang__)
#define SHUFFLED(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define SHUFFLED(a, b, i, j, k, l) __builtin_shuffle(a, b, Places{i, j, k, l})
#endif

// Four lines become four columns.
inline void turn(Four (&line)[4]) {
    const Four a = SHUFFLED(line[0], line[1], 0, 4, 1, 5), b = SHUFFLED(line[2], line[3], 0, 4, 1, 5);
    const Four c = SHUFFLED(line[0], line[1], 2, 6, 3, 7), d = SHUFFLED(line[2], line[3], 2, 6, 3, 7);
    line[0] = SHUFFLED(a, b, 0, 1, 4, 5), line[1] = SHUFFLED(a, b, 2, 3, 6, 7);
    line[2] = SHUFFLED(c, d, 0, 1, 4, 5), line[3] = SHUFFLED(c, d, 2, 3, 6, 7);
}

// The same for floats that stay as they are, four by four: this is done once for each sequence.
void pack_floats(const Columns<float> &columns, const Shape &s, float *to) {
    if (columns.between == 1) {
        for (int64_t k = 0; k < columns.depth; ++k, to += s.panel) {
            std::memcpy(to, columns.first + k * columns.apart, static_cast<size_t>(columns.count) * 4);
            std::fill(to + columns.count, to + s.panel, 0.0f);
        }
        return;
    }
    const int64_t whole = columns.depth / 4 * 4;
    for (int64_t begin = 0; begin < whole; begin += kAtOnce)
        for (int64_t n = 0; n < s.panel; n += 4)
            for (int64_t k = begin; k < std::min(whole, begin + kAtOnce); k += 4) {
                Four line[4] = {};
                for (int64_t one = 0; one < 4 && n + one < columns.count; ++one)
                    std::memcpy(&line[one], columns.from(n + one) + k, sizeof(Four));
                turn(line);
                for (int64_t one = 0; one < 4; ++one) std::memcpy(to + (k + one) * s.panel + n, &line[one], sizeof(Four));
            }
    for (int64_t k = whole; k < columns.depth; ++k)
        for (int64_t n = 0; n < s.panel; ++n) to[k * s.panel + n] = n < columns.count ? columns.from(n)[k] : 0.0f;
}

// And rounded, in pairs of rows; a last one has zeros at its side.
void pack_pairs(const Columns<float> &columns, const Shape &s, const Kernels<float> &kernels, BFloat16 *to) {
    float rows[kAtOnce * kWidestPanel];
    for (int64_t begin = 0; begin < s.depth; begin += kAtOnce) {
        const int64_t depth = std::min(kAtOnce, s.depth - begin);
        std::fill_n(rows, depth * s.panel, 0.0f);
        Columns<float> some = columns;
        some.first += begin * columns.apart, some.depth = std::min(depth, columns.depth - begin);
        pack_floats(some, s, rows);
        for (int64_t k = 0; k < depth; k += 2)
            kernels.narrow_pairs(rows + k * s.panel, rows + (k + 1) * s.panel, s.panel, to + (begin + k) * s.panel);
    }
}

// The largest magnitude of each column becomes 127. A column with a number that is not finite has a scale that is none.
void pack_int8(const Columns<float> &columns, const Shape &s, int8_t *to, float *scales) {
    for (int64_t n = 0; n < s.panel; ++n) {
        float largest = 0;
        for (int64_t k = 0; k < columns.depth && n < columns.count; ++k) {
            const float size = std::fabs(columns.from(n)[k * columns.apart]);
            largest = std::isnan(size) || size > largest ? size : largest;  // (NaN stays: nothing is greater)
        }
        scales[n] = largest / 127;
    }
    pack_panel(columns, s, to, [&](float value, int64_t n) {
        const float in_steps = scales[n] > 0 && std::isfinite(scales[n]) ? value / scales[n] : 0;
        return static_cast<int8_t>(std::lrint(std::clamp(in_steps, -127.0f, 127.0f)));
    });
}

void pack_panels(const UnrolledMatrix &m, const Shape &s, int32_t type, int32_t level, const void *data, void *packed,
                 Range panels) {
    for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
        const int64_t at = panel * s.depth * s.panel;
        if (type == UNROLLED_FLOAT64) {
            pack_panel(columns_of(m, s, static_cast<const double *>(data), panel), s,
                       static_cast<double *>(packed) + at, [](double v, int64_t) { return v; });
            continue;
        }
        const Columns<float> columns = columns_of(m, s, static_cast<const float *>(data), panel);
        if (type == UNROLLED_BFLOAT16)
            pack_pairs(columns, s, kernels<float>(level), static_cast<BFloat16 *>(packed) + at);
        else if (type == UNROLLED_INT8)
            pack_int8(columns, s, static_cast<int8_t *>(packed) + at,
                      reinterpret_cast<float *>(static_cast<char *>(packed) + scales_at(s)) + panel * s.panel);
        else
            pack_floats(columns, s, static_cast<float *>(packed) + at);
    }
}

}  // namespace
}  // namespace unrolled

using namespace unrolled;

extern "C" {

int64_t unrolled_packed_size(const UnrolledMatrix *matrix, int32_t type, int32_t level) {
    const Shape s = packed_shape(*matrix, type, level);
    switch (type) {
        case UNROLLED_FLOAT64: return s.elements() * 8;
        case UNROLLED_BFLOAT16: return s.elements() * 2;
        case UNROLLED_INT8: return scales_at(s) + s.all_panels() * s.panel * 4;
        default: return s.elements() * 4;
    }
}

int32_t unrolled_pack(const UnrolledMatrix *matrices, int32_t count, int32_t type, int32_t level, const void *const *data,
                      void *const *packed, int32_t threads) try {
    int64_t elements = 0;
    for (int32_t one = 0; one < count; ++one) elements += int64_t(matrices[one].rows) * matrices[one].columns;
    const int members = static_cast<int>(std::clamp<int64_t>(1 + elements / kElementsWorthAThread, 1, clamped(threads)));
    const int shares = 4 * members;
    in_pieces(members, int64_t(count) * shares, [&](int64_t piece, int) {
        const int64_t one = piece / shares;
        const Shape s = packed_shape(matrices[one], type, level);
        pack_panels(matrices[one], s, type, level, data[one], packed[one], share(s.all_panels(), piece % shares, shares));
    });
    return 0;
} catch (const std::bad_alloc &) {
    return UNROLLED_NO_MEMORY;
}
}
