// Sums over all rows and steps: the gradients of parameters.

#pragma once
#include <cstring>
#include <type_traits>

#include "work.h"

namespace unrolled {

template <class T>
class Sums {
public:
    explicit Sums(const Work<T> &work) : w_(work), summed_(work.steps * work.batch) {}

    // destination[n, k] for these rows n and columns k, of kSumPanels panels at most: kSumDepth rows of the values are
    // added up in registers, and then to the total.
    void run(const UnrolledSum &s, Range rows, Range columns, int thread) const {
        if (s.gradient < 0) return ones(s, columns, w_.template rest<T>(thread));
        if (summed_ == 0) return zeros(s, rows, columns);
        if constexpr (std::is_same_v<T, float>)
            if (w_.in_pairs) return narrow(s, rows, columns, thread);
        wide(s, rows, columns, w_.template rest<T>(thread));
    }

private:
    void wide(const UnrolledSum &s, Range rows, Range columns, T *values) const {
        const int64_t panel = w_.kernels.panel;
        for (int64_t depth = 0; depth < summed_; depth += kSumDepth) {
            Block<T, T, T> b = {};
            b.depth = std::min(kSumDepth, summed_ - depth);
            gather(w_.at(s.value, s.value_column, 0, depth) + columns.begin, w_.ld(s.value), b.depth, columns.size(), values);
            b.a = w_.at(s.gradient, s.gradient_column, 0, depth) + rows.begin;
            b.a_row = 1, b.a_step = w_.ld(s.gradient);
            b.b = values, b.b_step = panel, b.panel_stride = b.depth * panel;
            blocks(s, rows, columns, depth, b, w_.kernels.block);
        }
    }

    // In bfloat16: the numbers of two rows lie beside each other; a last one has zeros at its side.
    void narrow(const UnrolledSum &s, Range rows, Range columns, int thread) const {
        const int64_t panel = w_.kernels.panel;
        BFloat16 *values = w_.template rest<BFloat16>(thread);
        BFloat16 *gradients = values + kSumDepth * kSumPanels * panel;
        for (int64_t depth = 0; depth < summed_; depth += kSumDepth) {
            const int64_t count = std::min(kSumDepth, summed_ - depth);
            Block<T, BFloat16, BFloat16> b = {};
            b.depth = padded(count, 2);
            for (int64_t column = 0; column < columns.size(); column += panel)
                pairs(w_.at(s.value, s.value_column, 0, depth) + columns.begin + column, w_.ld(s.value), count,
                      std::min(panel, columns.size() - column), panel, values + column * b.depth);
            b.a = gradients, b.a_row = 2, b.a_step = 2 * kSumRows;
            b.b = values, b.b_step = 2 * panel, b.panel_stride = b.depth * panel;
            for (int64_t row = rows.begin; row < rows.end; row += kSumRows) {
                const Range some = {row, std::min(rows.end, row + kSumRows)};
                pairs(w_.at(s.gradient, s.gradient_column, 0, depth) + row, w_.ld(s.gradient), count, some.size(), kSumRows,
                      gradients);
                blocks(s, some, columns, depth, b, w_.kernels.block_bfloat16);
            }
        }
    }

    // Rows of a buffer as pairs of rows, each `width` of `wide` columns.
    void pairs(const T *from, int64_t stride, int64_t rows, int64_t width, int64_t wide, BFloat16 *to) const {
        static const float zeros[kSumRows] = {};
        for (int64_t row = 0; row < rows; row += 2, to += 2 * wide) {
            w_.kernels.narrow_pairs(from + row * stride, row + 1 < rows ? from + (row + 1) * stride : zeros, width, to);
            std::fill(to + 2 * width, to + 2 * wide, BFloat16{0});
        }
    }

    // Add what a block says to the total of these rows and columns, panel by panel.
    template <class Value, class Element>
    void blocks(const UnrolledSum &s, Range rows, Range columns, int64_t depth, const Block<T, Value, Element> &whole,
                void (*block)(const Block<T, Value, Element> &)) const {
        const int64_t panel = w_.kernels.panel;
        for (int64_t row = rows.begin; row < rows.end; row += kSumRows)
            for (int64_t column = 0; column < columns.size(); column += panel) {
                Block<T, Value, Element> b = whole;
                b.a += (row - rows.begin) * b.a_row, b.b += column * b.depth;
                b.rows = std::min(kSumRows, rows.end - row), b.width = std::min(panel, columns.size() - column);
                b.panels = 1, b.last = true;
                b.c = w_.at(s.destination, 0, 0, 0) + row * s.columns + columns.begin + column;
                b.c_row = b.init_row = s.columns;
                b.init = depth == 0 ? nullptr : b.c;
                block(b);
            }
    }

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
