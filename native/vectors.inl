// Vectors of LANES numbers, and how they come from memory and go back.
// Part of kernels.inl, which says why all is in an anonymous namespace.

#pragma once
#include <cstdint>
#include <cstring>

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

}  // namespace
