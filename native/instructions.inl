// The instructions of segments, over tiles.
// Part of kernels.inl, which says why all is in an anonymous namespace.

#pragma once
#include "functions.inl"
#include "kernels.h"

namespace {

template <class T, int LANES, class Apply>
inline void each_vector(const Tile<T> &tile, Apply apply) {
    using V = Vectors<T, LANES>;
    for (int64_t row = 0; row < tile.rows; ++row) {
        T *result = tile.result + row * tile.result_stride;
        int64_t at = 0;
        for (; at + LANES <= tile.width; at += LANES)
            V::store(result + at, apply([&](const T *from, int64_t stride) { return V::load(from + row * stride + at); }));
        if (at < tile.width) {
            int64_t left = tile.width - at;
            V::store_some(result + at, apply([&](const T *from, int64_t stride) {
                              return V::load_some(from + row * stride + at, left);
                          }), left);
        }
    }
}

template <class T, int LANES, class Function>
inline void unary(const Tile<T> &t, Function function) {
    each_vector<T, LANES>(t, [&](auto get) { return function(get(t.a, t.a_stride)); });
}

template <class T, int LANES, class Function>
inline void binary(const Tile<T> &t, Function function) {
    each_vector<T, LANES>(t, [&](auto get) { return function(get(t.a, t.a_stride), get(t.b, t.b_stride)); });
}

template <class T, int LANES, class Function>
inline void ternary(const Tile<T> &t, Function function) {
    each_vector<T, LANES>(
        t, [&](auto get) { return function(get(t.a, t.a_stride), get(t.b, t.b_stride), get(t.c, t.c_stride)); });
}

template <class T, int LANES>
void rows_where(const Tile<T> &t) {
    for (int64_t row = 0; row < t.rows; ++row) {
        bool holds = t.mask[row * t.mask_stride] != 0;
        const T *from = holds ? t.b + row * t.b_stride : t.c + row * t.c_stride;
        T *to = t.result + row * t.result_stride;
        if (to != from) std::memmove(to, from, static_cast<size_t>(t.width) * sizeof(T));
    }
}

// Sums over the units of a row, in LANES sums side by side and then from the first to the last: one order everywhere.
template <class T, int LANES, class Term>
inline T row_sum(int64_t width, Term term) {
    using V = Vectors<T, LANES>;
    typename V::Vector sums = {};
    int64_t at = 0;
    for (; at + LANES <= width; at += LANES) sums += term([&](const T *from) { return V::load(from + at); }, V::splat(1));
    if (at < width) {
        int64_t left = width - at;
        T ones[LANES] = {};
        for (int64_t i = 0; i < left; ++i) ones[i] = 1;
        sums += term([&](const T *from) { return V::load_some(from + at, left); }, V::load(ones));
    }
    T total = 0;
    for (int i = 0; i < LANES; ++i) total += sums[i];
    return total;
}

template <class T>
struct Moments {
    T mean, scale;
};

template <class T, int LANES>
inline Moments<T> moments(const T *a, int64_t width, T eps) {
    T mean = row_sum<T, LANES>(width, [&](auto get, auto) { return get(a); }) / static_cast<T>(width);
    T variance = row_sum<T, LANES>(width, [&](auto get, auto is_there) {
                     auto d = (get(a) - mean) * is_there;
                     return d * d;
                 }) / static_cast<T>(width);
    return {mean, 1 / std::sqrt(variance + eps)};
}

template <class T, int LANES>
void normalised(const Tile<T> &t) {
    for (int64_t row = 0; row < t.rows; ++row) {
        const T *a = t.a + row * t.a_stride;
        Moments<T> m = moments<T, LANES>(a, t.width, t.number);
        Tile<T> one = t;
        one.result += row * t.result_stride, one.a = a, one.rows = 1;
        unary<T, LANES>(one, [&](auto v) { return (v - m.mean) * m.scale; });
    }
}

// With y = normalised(a): scale * (g - mean of g - y * mean of g * y)   (Ba et al. 2016, differentiated)
template <class T, int LANES>
void normalised_gradient(const Tile<T> &t) {
    for (int64_t row = 0; row < t.rows; ++row) {
        const T *g = t.a + row * t.a_stride, *a = t.b + row * t.b_stride;
        Moments<T> m = moments<T, LANES>(a, t.width, t.number);
        T count = static_cast<T>(t.width);
        T mean = row_sum<T, LANES>(t.width, [&](auto get, auto) { return get(g); }) / count;
        T along = row_sum<T, LANES>(t.width, [&](auto get, auto) { return get(g) * ((get(a) - m.mean) * m.scale); }) / count;
        Tile<T> one = t;
        one.result += row * t.result_stride, one.a = g, one.b = a, one.rows = 1;
        binary<T, LANES>(one, [&](auto vg, auto va) {
            return m.scale * (vg - mean - ((va - m.mean) * m.scale) * along);
        });
    }
}

template <class T, int LANES, class F>
struct Instructions {
    using V = Vectors<T, LANES>;
    using Vector = typename V::Vector;

    static inline Vector truth(decltype(Vector{} > Vector{}) holds) { return holds ? V::splat(1) : V::splat(0); }

    static void fill(void (**table)(const Tile<T> &)) {
#define UNARY(NAME, EXPRESSION) \
    table[UNROLLED_##NAME] = [](const Tile<T> &t) { unary<T, LANES>(t, [](Vector a) -> Vector { return EXPRESSION; }); };
#define BINARY(NAME, EXPRESSION)                                                                                   \
    table[UNROLLED_##NAME] = [](const Tile<T> &t) {                                                                \
        binary<T, LANES>(t, [](Vector a, Vector b) -> Vector { return EXPRESSION; });                              \
    };
#define TERNARY(NAME, EXPRESSION)                                                                                  \
    table[UNROLLED_##NAME] = [](const Tile<T> &t) {                                                                \
        ternary<T, LANES>(t, [](Vector a, Vector b, Vector c) -> Vector { return EXPRESSION; });                   \
    };
        UNARY(COPY, a)
        UNARY(NEGATIVE, -a)
        UNARY(ABSOLUTE, F::absolute(a))
        UNARY(EXP, F::exp(a))
        UNARY(LOG, F::log(a))
        UNARY(SQRT, F::sqrt(a))
        UNARY(SIN, F::sin(a))
        UNARY(COS, F::cos(a))
        UNARY(SIGMOID, F::sigmoid(a))
        UNARY(TANH, F::tanh(a))
        UNARY(RELU, a <= 0 ? V::splat(0) : a)
        UNARY(SOFTPLUS, F::softplus(a))
        BINARY(ADD, a + b)
        BINARY(SUBTRACT, a - b)
        BINARY(MULTIPLY, a *b)
        BINARY(DIVIDE, a / b)
        BINARY(MAXIMUM, a != a || a > b ? a : b)
        BINARY(MINIMUM, a != a || a < b ? a : b)
        BINARY(POWER, F::power(a, b))
        BINARY(GREATER, truth(a > b))
        BINARY(GREATER_EQUAL, truth(a >= b))
        BINARY(LESS, truth(a < b))
        BINARY(LESS_EQUAL, truth(a <= b))
        BINARY(SIGMOID_GRADIENT, a *(b * (1 - b)))
        BINARY(TANH_GRADIENT, a *(1 - b * b))
        TERNARY(WHERE, a != 0 ? b : c)
        TERNARY(MULTIPLY_ADD, a *b + c)
#undef UNARY
#undef BINARY
#undef TERNARY
        table[UNROLLED_ROWS_WHERE] = rows_where<T, LANES>;
        table[UNROLLED_NORMALISED] = normalised<T, LANES>;
        table[UNROLLED_NORMALISED_GRADIENT] = normalised_gradient<T, LANES>;
    }
};

}  // namespace
