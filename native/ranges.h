// Ranges of rows, columns and panels, and how threads share them. Knows numbers only.

#pragma once
#include <algorithm>
#include <cstdint>

namespace unrolled {

inline int64_t up(int64_t value, int64_t unit) { return (value + unit - 1) / unit; }
inline int64_t padded(int64_t value, int64_t unit) { return up(value, unit) * unit; }

struct Range {
    int64_t begin, end;
    int64_t size() const { return end - begin; }
};

// The share of one of `members`, in whole units.
inline Range share(int64_t total, int64_t unit, int member, int members) {
    const int64_t units = up(total, unit);
    return {std::min(total, units * member / members * unit), std::min(total, units * (member + 1) / members * unit)};
}

}  // namespace unrolled
