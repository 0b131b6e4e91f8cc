// Matrices laid out for products: panels of columns, each row of a panel beside the next. Knows no programs.

#pragma once
#include <cstdint>

#include "kernels.h"
#include "ranges.h"
#include "unrolled.h"

namespace unrolled {

// How a matrix is packed: `panels` of each part, each `panel` columns wide and `depth` rows deep.
struct Shape {
    int64_t depth, width, parts, part, panels, panel;
    int64_t all_panels() const { return parts * panels; }
    int64_t elements() const { return all_panels() * panel * depth; }
};

// The rows of a matrix that a product adds up, before any filling up.
inline int64_t depth_of(const UnrolledMatrix &m) { return m.transposed ? m.rows : m.columns; }

// bfloat16 numbers lie in pairs of rows: the depth is even.
inline Shape shape_of(const UnrolledMatrix &m, int64_t panel, bool in_pairs) {
    const int64_t width = m.transposed ? m.columns : m.rows, part = width / m.parts;
    return {in_pairs ? padded(depth_of(m), 2) : depth_of(m), width, m.parts, part, up(part, panel), panel};
}

// Where the scales of an int8 matrix lie, one for each column of its panels, in bytes from its begin.
inline int64_t scales_at(const Shape &s) { return padded(s.elements(), 64); }

}  // namespace unrolled
