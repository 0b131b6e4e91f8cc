// Symbols in and out: rows of a table by their numbers, and numbers drawn by their probabilities.

#pragma once
#include <cmath>
#include <cstring>
#include <numeric>

#include "work.h"

namespace unrolled {

template <class T>
class Choices {
public:
    explicit Choices(const Work<T> &work) : w_(work) {}

    // Rows of a table; a number outside it, which only a choice that failed can give, is read as 0.
    void look_up(const UnrolledLookup &l, int64_t t, Range rows) const {
        for (int64_t row = rows.begin; row < rows.end; ++row) {
            const int64_t id = *w_.template at<int64_t>(l.ids, 0, t, row);
            const T *from = w_.at(l.table, 0, 0, id >= 0 && id < l.height ? id : 0);
            std::memcpy(w_.at(l.destination, 0, t, row), from, static_cast<size_t>(l.width) * sizeof(T));
        }
    }

    void choose(const UnrolledChoice &c, int64_t t, Range rows, int thread) const {
        double *probabilities = w_.template rest<double>(thread);
        for (int64_t row = rows.begin; row < rows.end; ++row)
            *w_.template at<int64_t>(c.ids, 0, t, row) =
                chosen(c, w_.at(c.logits, 0, t, row), *w_.template at<double>(c.numbers, 0, t, row), probabilities);
    }

private:
    int64_t chosen(const UnrolledChoice &c, const T *logits, double number, double *p) const {
        int64_t best = 0;
        for (int64_t one = 0; one < c.width; ++one) {
            if (std::isnan(logits[one])) return -1;
            if (logits[one] > logits[best]) best = one;
        }
        if (!std::isfinite(logits[best])) return -1;
        if (c.temperature == 0) return best;
        for (int64_t one = 0; one < c.width; ++one)
            p[one] = std::exp((static_cast<double>(logits[one]) - static_cast<double>(logits[best])) / c.temperature);
        if (c.top_k > 0 && c.top_k < c.width) keep_top_k(c, logits, p);
        double total = std::accumulate(p, p + c.width, 0.0);
        if (c.top_p < 1) keep_top_p(c, p, total), total = std::accumulate(p, p + c.width, 0.0);
        double below = 0;
        int64_t last = best;
        for (int64_t one = 0; one < c.width; ++one) {
            below += p[one];
            if (p[one] > 0) last = one;
            if (below > number * total) return one;
        }
        return last;  // rounding left nothing above the number
    }

    // The others get no probability. Of equals the first is kept.
    void keep_top_k(const UnrolledChoice &c, const T *logits, double *p) const {
        int32_t *order = ranked(c, p, [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
        for (int64_t place = c.top_k; place < c.width; ++place) p[order[place]] = 0;
    }

    // The most likely are kept until they have top_p of the total together; at least one.
    void keep_top_p(const UnrolledChoice &c, double *p, double total) const {
        const int32_t *order = ranked(c, p, [&](int32_t a, int32_t b) { return p[a] > p[b]; });
        double before = 0;
        for (int64_t place = 0; place < c.width; ++place) {
            const double own = p[order[place]];
            if (before >= c.top_p * total) p[order[place]] = 0;
            before += own;
        }
    }

    template <class Before>
    int32_t *ranked(const UnrolledChoice &c, double *p, Before before) const {
        int32_t *order = reinterpret_cast<int32_t *>(p + c.width);
        std::iota(order, order + c.width, 0);
        std::stable_sort(order, order + c.width, before);
        return order;
    }

    const Work<T> &w_;
};

}  // namespace unrolled
