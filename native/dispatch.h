// The kernels of each level of instructions. Knows the processor.

#pragma once
#include "kernels.h"

namespace unrolled {

template <class T>
const Kernels<T> &kernels(int32_t level);
template <>
const Kernels<float> &kernels<float>(int32_t level);
template <>
const Kernels<double> &kernels<double>(int32_t level);

}  // namespace unrolled
