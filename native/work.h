// What every stage of a run works with: the program, where its values lie, and scratch memory for each thread.

#pragma once
#include "dispatch.h"
#include "matrices.h"
#include "memory.h"
#include "ranges.h"
#include "unrolled.h"

namespace unrolled {

constexpr int64_t kTile = 512;      // elements of a tile's register
constexpr int64_t kFlatRows = 128;  // rows of a piece of a product over all steps
constexpr int64_t kSumDepth = 512;  // rows that are added up before they join a sum's total
constexpr int64_t kSumPanels = 8;   // panels of a piece of a sum, at most
constexpr int64_t kSumRows = 224;   // rows of a sum that are worked on at once

template <class T>
struct Work {
    const UnrolledProgram &program;
    const UnrolledBuffer *buffers;
    const void *const *packed;
    const Kernels<T> &kernels;
    const int64_t steps, batch;
    const int threads;
    const bool in_pairs;  // matrices are bfloat16

    Work(const UnrolledProgram &program, const UnrolledBuffer *buffers, const void *const *packed, int64_t steps,
         int64_t batch, int threads)
        : program(program), buffers(buffers), packed(packed), kernels(unrolled::kernels<T>(program.level)), steps(steps), batch(batch),
          threads(threads), in_pairs(program.type == UNROLLED_BFLOAT16),
          row_(std::max<int64_t>(kTile, program.widest)) {
        constants_ = aligned(program.constant_count * row_ * int64_t(sizeof(T)));
        for (int64_t one = 0; one < program.constant_count; ++one)
            std::fill_n(static_cast<T *>(constants_.get()) + one * row_, row_, static_cast<T>(program.constants[one]));
        registers_size_ = padded(program.registers * row_ * int64_t(sizeof(T)), kLine);
        scratch_size_ = registers_size_ + padded(rest_size(), kLine);
        scratch_ = aligned(scratch_size_ * threads);
    }

    // Element (t, row, column) of a buffer.
    template <class Element = T>
    Element *at(int32_t buffer, int32_t column, int64_t t, int64_t row) const {
        const UnrolledBuffer &b = buffers[buffer];
        return static_cast<Element *>(b.data) + t * b.step + row * b.ld + column;
    }
    int64_t ld(int32_t buffer) const { return buffers[buffer].ld; }
    Shape shape(int32_t matrix) const { return shape_of(program.matrices[matrix], kernels.panel, in_pairs); }

    T *a_register(int thread, int32_t index) const { return static_cast<T *>(scratch(thread)) + index * row_; }
    T *constant(int32_t index) const { return static_cast<T *>(constants_.get()) + index * row_; }
    // Scratch memory behind the registers: for rows of a product, panels of a sum, or what a choice is made from.
    template <class Element>
    Element *rest(int thread) const {
        return reinterpret_cast<Element *>(static_cast<char *>(scratch(thread)) + registers_size_);
    }

private:
    void *scratch(int thread) const { return static_cast<char *>(scratch_.get()) + thread * scratch_size_; }

    int64_t rest_size() const {
        int64_t deepest = 1, size = 0;
        for (int64_t one = 0; one < program.matrix_count; ++one)
            deepest = std::max(deepest, depth_of(program.matrices[one]));
        const int64_t rows = std::max(batch, kFlatRows) * (deepest + kLine) * int64_t(in_pairs ? 2 : sizeof(T));
        const int64_t sums = kSumDepth * (kSumPanels * kernels.panel + (in_pairs ? kSumRows : 0)) * int64_t(sizeof(T));
        for (int64_t one = 0; one < program.stage_count; ++one)
            if (program.stages[one].kind == UNROLLED_PRODUCT)
                size = std::max(size, rows);
            else if (program.stages[one].kind == UNROLLED_SUM)
                size = std::max(size, sums);
            else if (program.stages[one].kind == UNROLLED_CHOICE)
                size = std::max(size, program.choices[program.stages[one].first].width * int64_t(sizeof(double) + 4));
        return size;
    }

    const int64_t row_;  // elements of a register, or a constant
    int64_t registers_size_, scratch_size_;
    Memory constants_, scratch_;
};

}  // namespace unrolled
