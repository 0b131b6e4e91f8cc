// The kernels of one level, written once over vectors of LANES numbers; each level includes this with its own compiler
// flags and instantiates it. All is in an anonymous namespace: a function that the linker merged with that of another
// level would end in an illegal instruction on a processor that lacks it.
//
// A row whose width is no multiple of LANES ends in a vector filled up with zeros, so that an element has the same bits
// wherever it stands.

#include <cmath>
#include <cstring>
#include <limits>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "kernels.h"

namespace {

template <class T, int LANES>
struct Vectors {
    typedef T Vector __attribute__((vector_size(LANES * sizeof(T))));

    static inline Vector load(const T *from) {
        Vector value;
        std::memcpy(&value, from, sizeof(value));
        return value;
    }
    static inline void store(T *to, Vector value) { std::memcpy(to, &value, sizeof(value)); }
    static inline Vector load_some(const T *from, int64_t count) {
        Vector value = {};
        std::memcpy(&value, from, static_cast<size_t>(count) * sizeof(T));
        return value;
    }
    static inline void store_some(T *to, Vector value, int64_t count) {
        std::memcpy(to, &value, static_cast<size_t>(count) * sizeof(T));
    }
    static inline Vector splat(T number) { return number - Vector{}; }
};

// ---- functions of one number -----------------------------------------------------------------------------------------

// float: polynomials fitted for these ranges by weighted least squares (largest relative error below 1e-8), after the
// usual reductions of the argument. Within 4 units in the last place; NaN stays NaN.
template <int LANES>
struct Functions {
    using V = Vectors<float, LANES>;
    using F = typename V::Vector;
    using I = typename Vectors<int32_t, LANES>::Vector;

    static inline I bits(F value) { return reinterpret_cast<I>(value); }
    static inline F number(I value) { return reinterpret_cast<F>(value); }
    static inline F absolute(F x) { return number(bits(x) & 0x7fffffff); }
    static inline F with_sign_of(F x, F sign) { return number((bits(x) & 0x7fffffff) | (bits(sign) & (I{} | INT32_MIN))); }

    static inline F sqrt(F x) {
        F y;
        for (int i = 0; i < LANES; ++i) y[i] = std::sqrt(x[i]);
        return y;
    }

    static inline F exp(F x) {
        const float round = 12582912.0f;  // 1.5 * 2^23: what is added to it is rounded to a whole number
        x = x > 89.0f ? V::splat(89.0f) : x;
        x = x < -104.0f ? V::splat(-104.0f) : x;
        F shifted = x * 1.44269504f + round;
        F n = shifted - round;
        I whole = bits(shifted) - bits(V::splat(round));
        F r = x - n * 0.693145752f;      // ln 2 in two parts; the first has zeros at its end
        r = r - n * 1.42860677e-6f;
        F p = 0.00138146023f * r + 0.00836871564f;
        p = p * r + 0.041668389f;
        p = p * r + 0.166665211f;
        p = p * r + 0.49999994f;
        F y = (p * r) * r + r + 1.0f;
        I half = whole >> 1;  // 2^n in two factors, since n goes beyond what one can hold
        F first = number((half + 127) << 23), second = number((whole - half + 127) << 23);
        return y * first * second;
    }

    static inline F sigmoid(F x) { return 1.0f / (1.0f + exp(-x)); }

    static inline F tanh(F x) {
        F a = absolute(x), s = x * x;
        F p = 0.00214760634f * s - 0.00818274729f;
        p = p * s + 0.0217029955f;
        p = p * s - 0.0539472103f;
        p = p * s + 0.133332103f;
        p = p * s - 0.333333313f;
        F near = x + x * (s * p);
        F far = with_sign_of(1.0f - 2.0f / (exp(a + a) + 1.0f), x);
        F y = a < 0.625f ? near : far;
        return x == x ? y : x;
    }

    static inline F log(F x) {
        auto tiny = x < 1.17549435e-38f;
        F scaled = tiny ? x * 8388608.0f : x;
        I b = bits(scaled);
        I exponent = ((b - 0x3f3504f3) >> 23);  // so that the mantissa lies in [sqrt(1/2), sqrt(2))
        F m = number(b - (exponent << 23));
        F e = __builtin_convertvector(exponent, F) - (tiny ? V::splat(23.0f) : V::splat(0.0f));
        F f = m - 1.0f;
        F p = 0.0674458742f * f - 0.116748191f;
        p = p * f + 0.11888589f;
        p = p * f - 0.124057531f;
        p = p * f + 0.14219521f;
        p = p * f - 0.166679859f;
        p = p * f + 0.200021192f;
        p = p * f - 0.250000089f;
        p = p * f + 0.333333135f;
        F s = f * f;
        F y = p * f * s + e * 1.42860677e-6f;
        y = y - 0.5f * s;
        y = y + f;
        y = y + e * 0.693145752f;
        const float inf = std::numeric_limits<float>::infinity();
        y = x == 0.0f ? V::splat(-inf) : y;
        y = x == inf ? x : y;
        return x >= 0.0f ? y : V::splat(std::numeric_limits<float>::quiet_NaN());
    }

    // log(1 + u) for u in [0, 1]: what is lost in 1 + u is made good (Kahan).
    static inline F log_of_one_more(F u) {
        F w = 1.0f + u, d = w - 1.0f;
        F y = log(w) * (u / d);
        return d == 0.0f ? u : y;
    }

    static inline F softplus(F x) {
        F y = (x > 0.0f ? x : V::splat(0.0f)) + log_of_one_more(exp(-absolute(x)));
        return x == x ? y : x;
    }

    // The argument less a multiple of pi/2, in three parts; beyond 8192 one by one, in the library.
    template <class Library>
    static inline F wave(F x, int quarter, Library library) {
        const float round = 12582912.0f;
        F shifted = x * 0.636619772f + round;
        F n = shifted - round;
        I q = bits(shifted) - bits(V::splat(round)) + quarter;
        F r = x - n * 1.57079601f;
        r = r - n * 3.13916473e-7f;
        r = r - n * 5.39030253e-15f;
        F s = r * r;
        F p = 2.71830868e-6f * s - 0.000198393347f;
        p = p * s + 0.00833332911f;
        p = p * s - 0.166666672f;
        F sine = r + r * (s * p);
        p = -2.72102113e-7f * s + 2.47995195e-5f;
        p = p * s - 0.00138888834f;
        p = p * s + 0.0416666679f;
        F cosine = 1.0f - 0.5f * s + s * s * p;
        F y = (q & 1) == 1 ? cosine : sine;
        y = (q & 2) == 2 ? -y : y;
        for (int i = 0; i < LANES; ++i)
            if (!(std::fabs(x[i]) <= 8192.0f)) y[i] = library(x[i]);
        return y;
    }
    static inline F sin(F x) { return wave(x, 0, [](float v) { return std::sin(v); }); }
    static inline F cos(F x) { return wave(x, 1, [](float v) { return std::cos(v); }); }

    static inline F power(F a, F b) {
        F y;
        for (int i = 0; i < LANES; ++i) y[i] = std::pow(a[i], b[i]);
        return y;
    }
};

// double: the library's own functions, one by one. Right to the last digits, and not made for speed.
template <int LANES>
struct LibraryFunctions {
    using F = typename Vectors<double, LANES>::Vector;

    template <class Library>
    static inline F each(F x, Library library) {
        for (int i = 0; i < LANES; ++i) x[i] = library(x[i]);
        return x;
    }
    static inline F absolute(F x) { return each(x, [](double v) { return std::fabs(v); }); }
    static inline F sqrt(F x) { return each(x, [](double v) { return std::sqrt(v); }); }
    static inline F exp(F x) { return each(x, [](double v) { return std::exp(v); }); }
    static inline F log(F x) { return each(x, [](double v) { return std::log(v); }); }
    static inline F sin(F x) { return each(x, [](double v) { return std::sin(v); }); }
    static inline F cos(F x) { return each(x, [](double v) { return std::cos(v); }); }
    static inline F tanh(F x) { return each(x, [](double v) { return std::tanh(v); }); }
    static inline F sigmoid(F x) { return each(x, [](double v) { return 1.0 / (1.0 + std::exp(-v)); }); }
    static inline F softplus(F x) {
        return each(x, [](double v) { return (v > 0 ? v : 0.0) + std::log1p(std::exp(-std::fabs(v))); });
    }
    static inline F power(F a, F b) {
        for (int i = 0; i < LANES; ++i) a[i] = std::pow(a[i], b[i]);
        return a;
    }
};

// ---- instructions ------------------------------------------------------------------------------------------------------

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

// ---- products ------------------------------------------------------------------------------------------------------------

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
        numbers = (decltype(numbers))_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)from));
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

// ---- bfloat16 ------------------------------------------------------------------------------------------------------------

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

// Which of the instantiations serves: few rows want many panels, so that enough sums are on their way at once.
template <class P, int MOST_ROWS, int ROWS, int SUMS, class AnyBlock>
inline void in_rows(const AnyBlock &s, int64_t row, int64_t rows) {
    if constexpr (ROWS > 1) {
        if (rows < ROWS) return in_rows<P, MOST_ROWS, ROWS - 1, SUMS>(s, row, rows);
    }
    constexpr int PANELS = ROWS * 2 * 2 <= SUMS ? SUMS / (ROWS * 2) : 1;
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
