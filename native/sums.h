// Sums over all rows and steps: the gradients of parameters.

#pragma once
#include <cstring>

#include "work.h"

namespace unrolled {

constexpr int64_t kSumRows = 224;  // rows of a sum that are worked on at once

template <class T>
class Sums {
public:
    explicit Sums(const Work<T> &work) : w_(work), summed_(work.steps * work.batch) {}

    // destination[n, k] for these rows n and columns k, of kSumPanels panels at most: kSumDepth rows of the values are
    // added up in registers, and then to the total.
    void run(const UnrolledSum &s, Range rows, Range columns, int thread) const {
        T *values = w_.template rest<T>(thread);
        if (s.gradient < 0) return ones(s, columns, values);
        if (summed_ == 0) return zeros(s, rows, columns);
        const int64_t panel = w_.kernels.panel, panels = up(columns.size(), panel);
        T *destination = w_.at(s.destination, 0, 0, 0);
        for (int64_t depth = 0; depth < summed_; depth += kSumDepth) {
            Block<T, T, T> b = {};
            b.depth = std::min(kSumDepth, summed_ - depth), b.last = true;
            gather(w_.at(s.value, s.value_column, 0, depth) + columns.begin, w_.ld(s.value), b.depth, columns.size(), values);
            b.a_row = 1, b.a_step = w_.ld(s.gradient), b.b_step = panel, b.panel_stride = 0, b.panels = 1;
            b.c_row = b.init_row = s.columns;
            for (int64_t row = rows.begin; row < rows.end; row += kSumRows)
                for (int64_t p = 0; p < panels; ++p) {
                    b.rows = std::min(kSumRows, rows.end - row), b.width = std::min(panel, columns.size() - p * panel);
                    b.a = w_.at(s.gradient, s.gradient_column, 0, depth) + row;
                    b.b = values + p * b.depth * panel;
                    b.c = destination + row * s.columns + columns.begin + p * panel;
                    b.init = depth == 0 ? nullptr : b.c;
                    w_.kernels.block(b);
                }
        }
    }

private:
    void zeros(const UnrolledSum &s, Range rows, Range columns) const {
        T *destination = w_.at(s.destination, 0, 0, 0) + columns.begin;
        for (int64_t row = rows.begin; row < rows.end; ++row)
            std::fill_n(destination + row * s.columns, columns.size(), T{0});
    }

    // The sum of the values themselves; whole panels are read where they are.
    void ones(const UnrolledSum &s, Range columns, T *values) const {
        static const T one = 1;
        const int64_t panel = w_.kernels.panel, whole = columns.size() / panel * panel;
        T *destination = w_.at(s.destination, 0, 0, 0) + columns.begin;
        std::fill_n(destination, columns.size(), T{0});
        for (int64_t depth = 0; depth < summed_; depth += kSumDepth) {
            const T *from = w_.at(s.value, s.value_column, 0, depth) + columns.begin;
            Block<T, T, T> b = {};
            b.a = &one, b.a_row = b.a_step = 0, b.depth = std::min(kSumDepth, summed_ - depth), b.last = true;
            b.rows = 1;
            b.b = from, b.b_step = w_.ld(s.value), b.panel_stride = panel, b.panels = whole / panel;
            b.c = destination, b.init = destination, b.width = whole;
            if (whole > 0) w_.kernels.block(b);
            if (whole == columns.size()) continue;
            gather(from + whole, w_.ld(s.value), b.depth, columns.size() - whole, values);
            b.b = values, b.b_step = panel, b.panels = 1;
            b.c = destination + whole, b.init = b.c, b.width = columns.size() - whole;
            w_.kernels.block(b);
        }
    }

    // Rows of a buffer as panels.
    void gather(const T *from, int64_t stride, int64_t rows, int64_t width, T *to) const {
        constexpr int64_t widest = 32;  // columns of a panel at the widest level
        const int64_t panel = w_.kernels.panel;
        for (int64_t column = 0; column < width; column += panel) {
            const int64_t count = std::min<int64_t>(panel, width - column);
            for (int64_t row = 0; row < rows; ++row, to += panel) {
                const T *line = from + row * stride + column;
                if (count == widest)
                    std::memcpy(to, line, widest * sizeof(T));  // (a size that is known is copied in place)
                else
                    std::memcpy(to, line, static_cast<size_t>(count) * sizeof(T));
                if (count < panel) std::fill(to + count, to + panel, T{0});
            }
        }
    }

    const Work<T> &w_;
    const int64_t summed_;
};

}  // namespace unrolled
