// Memory that begins on a cache line. Knows bytes only.

#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace unrolled {

constexpr int64_t kLine = 64;  // bytes of a cache line

struct Free {
    void operator()(void *memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<void, Free>;

// Throws std::bad_alloc.
inline Memory aligned(int64_t bytes) {
    void *memory = nullptr;
    if (posix_memalign(&memory, kLine, static_cast<size_t>(std::max<int64_t>(bytes, kLine))) != 0) throw std::bad_alloc();
    return Memory(memory);
}

}  // namespace unrolled
