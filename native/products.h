// Products of rows with packed matrices.

#pragma once
#include <cstring>
#include <type_traits>

#include "work.h"

namespace unrolled {

constexpr int64_t kDepth = 512;  // of a panel that is worked on at once

template <class T>
class Products {
public:
    explicit Products(const Work<T> &work) : w_(work) {}

    // For these rows of step t and these panels of every part.
    void run(const UnrolledProduct &p, int64_t t, Range rows, Range panels, int thread) const {
        if (rows.size() <= 0 || panels.size() <= 0) return;
        const T *a = w_.at(p.value, p.value_column, t, rows.begin);
        const int64_t a_row = w_.ld(p.value), depth = depth_of(w_.program.matrices[p.matrix]);
        const Call call = {p, w_.shape(p.matrix), t, rows, panels};
        if (w_.in_pairs) {
            BFloat16 *narrow = w_.template rest<BFloat16>(thread);
            narrow_rows(a, a_row, depth, rows.size(), call.shape.depth, narrow);
            parts(call, narrow, call.shape.depth, w_.kernels.block_bfloat16);
            return;
        }
        const int64_t apart = collide(a_row, rows.size()) ? depth + kApart : a_row;
        if (apart != a_row) a = copied(a, a_row, depth, rows.size(), apart, w_.template rest<T>(thread));
        if (w_.program.type == UNROLLED_INT8)
            parts(call, a, apart, w_.kernels.block_int8);
        else
            parts(call, a, apart, w_.kernels.block);
    }

private:
    struct Call {
        const UnrolledProduct &p;
        Shape shape;
        int64_t t;
        Range rows, panels;
    };

    template <class Value, class Element>
    void parts(const Call &call, const Value *a, int64_t a_row, void (*block)(const Block<T, Value, Element> &)) const {
        const Shape &s = call.shape;
        for (int64_t part = 0; part < s.parts; ++part) {
            const int64_t within = call.panels.begin * s.panel, column = part * s.part + within;
            const int64_t first = part * s.panels + call.panels.begin;
            Block<T, Value, Element> b;
            b.a = a, b.a_row = a_row, b.a_step = w_.in_pairs ? 2 : 1;
            b.b = static_cast<const Element *>(w_.packed[call.p.matrix]) + first * s.depth * s.panel;
            b.b_step = (w_.in_pairs ? 2 : 1) * s.panel, b.panel_stride = s.depth * s.panel;
            b.scales = scales(call.p.matrix, s, first);
            b.c = w_.at(call.p.destination, call.p.destination_column, call.t, call.rows.begin) + column;
            b.c_row = w_.ld(call.p.destination);
            b.init = call.p.init < 0 ? nullptr : w_.at(call.p.init, call.p.init_column, call.t, call.rows.begin) + column;
            b.init_row = call.p.init < 0 ? 0 : w_.ld(call.p.init), b.last = false;
            b.rows = call.rows.size(), b.panels = call.panels.size();
            b.width = std::min(s.part, call.panels.end * s.panel) - within;
            blocks(b, s, block);
        }
    }

    // Few rows: many panels at once, to keep enough sums on their way; many: one panel's piece in the first cache.
    template <class Value, class Element>
    void blocks(const Block<T, Value, Element> &whole, const Shape &s,
                void (*block)(const Block<T, Value, Element> &)) const {
        const int64_t together = whole.rows <= kFewRows ? whole.panels : 1;
        for (int64_t depth = 0; depth < s.depth; depth += kDepth)
            for (int64_t panel = 0; panel < whole.panels; panel += together) {
                Block<T, Value, Element> b = whole;
                const int64_t column = panel * s.panel;
                b.a += depth, b.b += panel * s.depth * s.panel + depth * s.panel;
                b.c += column;
                if (b.scales != nullptr) b.scales += column;
                b.init = depth > 0 ? b.c : whole.init == nullptr ? nullptr : whole.init + column;
                b.init_row = depth > 0 ? b.c_row : whole.init_row;
                b.depth = std::min(kDepth, s.depth - depth), b.panels = together;
                b.width = std::min(whole.width - column, together * s.panel);
                block(b);
            }
    }

    const float *scales(int32_t matrix, const Shape &s, int64_t panel) const {
        if (w_.program.type != UNROLLED_INT8) return nullptr;
        const char *packed = static_cast<const char *>(w_.packed[matrix]);
        return reinterpret_cast<const float *>(packed + scales_at(s)) + panel * s.panel;
    }

    // Whether so many rows, so far apart, fall on each other in a cache.
    static bool collide(int64_t row, int64_t rows) { return rows > 8 && row * int64_t(sizeof(T)) % 4096 == 0; }
    static constexpr int64_t kApart = kLine / int64_t(sizeof(T));  // elements that keep them apart

    static const T *copied(const T *a, int64_t a_row, int64_t width, int64_t rows, int64_t apart, T *to) {
        for (int64_t row = 0; row < rows; ++row)
            std::memcpy(to + row * apart, a + row * a_row, static_cast<size_t>(width) * sizeof(T));
        return to;
    }

    void narrow_rows(const T *a, int64_t a_row, int64_t width, int64_t rows, int64_t depth, BFloat16 *to) const {
        if constexpr (std::is_same_v<T, float>)
            for (int64_t row = 0; row < rows; ++row, a += a_row, to += depth) {
                w_.kernels.narrow(a, width, to);
                if (depth > width) to[width] = 0;
            }
    }

    const Work<T> &w_;
};

}  // namespace unrolled
