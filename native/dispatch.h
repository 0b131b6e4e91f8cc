// Which kernels are in use. Knows the processor.

#pragma once
#include "kernels.h"

namespace unrolled {

template <class T>
const Kernels<T> &kernels();
template <>
const Kernels<float> &kernels<float>();
template <>
const Kernels<double> &kernels<double>();

}  // namespace unrolled
