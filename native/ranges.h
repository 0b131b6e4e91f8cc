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

// The share of one of `members`; the first ones get one more where the total does not come out even.
inline Range share(int64_t total, int64_t member, int64_t members) {
    const int64_t each = total / members, more = total % members;
    const int64_t begin = member * each + std::min(member, more);
    return {begin, begin + each + (member < more)};
}

}  // namespace unrolled
