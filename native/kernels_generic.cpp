// The baseline: what every processor of its kind has. Vectors of 16 bytes, and double for everything that checks.

#include "kernels.inl"

namespace {

template <class T, class F, int LANES>
Kernels<T> made() {
    Kernels<T> k = {};
    k.panel = 2 * LANES;
    k.block_rows = 6;
    Instructions<T, LANES, F>::fill(k.instruction);
    k.block = [](const Block<T, T, T> &s) { in_blocks<Products<T, LANES>, 6, 8>(s); };
    return k;
}

Kernels<float> made_float() {
    Kernels<float> k = made<float, Functions<4>, 4>();
    Narrowing<4>::fill(k);
    k.block_bfloat16 = [](const Block<float, BFloat16, BFloat16> &s) { in_blocks<Products<float, 4>, 2, 4>(s); };
    k.block_int8 = [](const Block<float, float, int8_t> &s) { in_blocks<Products<float, 4>, 2, 4>(s); };
    return k;
}

}  // namespace

const Kernels<float> &kernels_generic() {
    static const Kernels<float> kernels = made_float();
    return kernels;
}

const Kernels<double> &kernels_generic_double() {
    static const Kernels<double> kernels = made<double, LibraryFunctions<2>, 2>();
    return kernels;
}
