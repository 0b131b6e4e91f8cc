// AVX2 with FMA: vectors of 8.

#include "kernels.inl"

namespace {

Kernels<float> made() {
    Kernels<float> k = {};
    k.panel = 16;
    k.block_rows = 6;
    Instructions<float, 8, Functions<8>>::fill(k.instruction);
    k.block = [](const Block<float, float, float> &s) { in_blocks<Products<float, 8>, 6, 12>(s); };
    Narrowing<8>::fill(k);
    k.block_bfloat16 = [](const Block<float, BFloat16, BFloat16> &s) { in_blocks<Products<float, 8>, 4, 8>(s); };
    k.block_int8 = [](const Block<float, float, int8_t> &s) { in_blocks<Products<float, 8>, 6, 12>(s); };
    return k;
}

}  // namespace

const Kernels<float> &kernels_avx2() {
    static const Kernels<float> kernels = made();
    return kernels;
}
