// Functions of one number, over vectors.
// Part of kernels.inl, which says why all is in an anonymous namespace.

#pragma once
#include <cmath>
#include <limits>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "vectors.inl"

namespace {

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

    // e^x = 2^n (1 + p), for x from -104 to 89
    struct Reduced {
        F n, p;
    };
    static inline Reduced reduced(F x) {
        const float round = 12582912.0f;  // 1.5 * 2^23: what is added to it is rounded to a whole number
        F n = (x * 1.44269504f + round) - round;
        F r = x - n * 0.693145752f;  // ln 2 in two parts; the first has zeros at its end
        r = r - n * 1.42860677e-6f;
        F p = 0.00138146023f * r + 0.00836871564f;
        p = p * r + 0.041668389f;
        p = p * r + 0.166665211f;
        p = p * r + 0.49999994f;
        return {n, (p * r) * r + r};
    }

    // y * 2^n, down to the smallest numbers
    static inline F scaled(F y, F n) {
#if defined(__AVX512F__)
        if constexpr (LANES == 16) return (F)_mm512_maskz_scalef_ps(0xffff, (__m512)y, (__m512)n);
#endif
        I whole = __builtin_convertvector(n, I);
        I half = whole >> 1;  // in two factors, since n goes beyond what one can hold
        return y * number((half + 127) << 23) * number((whole - half + 127) << 23);
    }

    static inline F at_most(F x, float limit) { return x > limit ? V::splat(limit) : x; }  // NaN stays

    static inline F exp(F x) {
        x = at_most(x, 89.0f);
        Reduced e = reduced(x < -104.0f ? V::splat(-104.0f) : x);
        return scaled(1.0f + e.p, e.n);
    }

    // From e^-|x|, which does not overflow
    static inline F sigmoid(F x) {
        Reduced e = reduced(-at_most(absolute(x), 104.0f));
        F z = scaled(1.0f + e.p, e.n), y = 1.0f / (1.0f + z);
        return x >= 0.0f ? y : z * y;
    }

    // -m / (2 + m) with m = e^(-2|x|) - 1, which has all its digits near 0
    static inline F tanh(F x) {
        Reduced e = reduced(-2.0f * at_most(absolute(x), 20.0f));
        F power = scaled(V::splat(1.0f), e.n);
        F m = power * e.p + (power - 1.0f);
        return with_sign_of(m / (2.0f + m), x);
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

}  // namespace
