// AVX-512 (F, BW, DQ, VL): vectors of 16.

#include "kernels.inl"

namespace {

Kernels<float> made() {
    Kernels<float> k = {};
    k.panel = 32;
    k.block_rows = 14;
    Instructions<float, 16, Functions<16>>::fill(k.instruction);
    k.block = [](const Block<float, float, float> &s) { in_blocks<Products<float, 16>, 14, 24>(s); };
    Narrowing<16>::fill(k);
    k.block_bfloat16 = [](const Block<float, BFloat16, BFloat16> &s) { in_blocks<Products<float, 16>, 8, 16>(s); };
    k.block_int8 = [](const Block<float, float, int8_t> &s) { in_blocks<Products<float, 16>, 14, 24>(s); };
    return k;
}

}  // namespace

const Kernels<float> &kernels_avx512() {
    static const Kernels<float> kernels = made();
    return kernels;
}
