#include "dispatch.h"

namespace unrolled {
namespace {

struct Level {
    const char *name;
    bool (*is_there)();
    const Kernels<float> &(*kernels)();
};

#if defined(__x86_64__)
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
bool has_avx512bf16() { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }
#endif

const Level kLevels[] = {
    {"generic", [] { return true; }, kernels_generic},
#if defined(__x86_64__)
    {"avx2", has_avx2, kernels_avx2},
    {"avx512", has_avx512, kernels_avx512},
    {"avx512bf16", has_avx512bf16, kernels_avx512bf16},
#endif
};
constexpr int kCount = sizeof(kLevels) / sizeof(kLevels[0]);

}  // namespace

template <>
const Kernels<float> &kernels<float>(int32_t level) {
    return kLevels[level].kernels();
}

template <>
const Kernels<double> &kernels<double>(int32_t) {  // (one for all: for what checks)
    return kernels_generic_double();
}

}  // namespace unrolled

extern "C" {

int32_t unrolled_levels(void) { return unrolled::kCount; }

const char *unrolled_level_name(int32_t level) {
    return level >= 0 && level < unrolled::kCount ? unrolled::kLevels[level].name : "";
}

int32_t unrolled_has_level(int32_t level) {
    return level >= 0 && level < unrolled::kCount && unrolled::kLevels[level].is_there();
}

const char *unrolled_sources(void) { return UNROLLED_SOURCES; }
}
