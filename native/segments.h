// Segments: instructions over tiles that stay in the first cache.

#pragma once
#include "work.h"

namespace unrolled {

template <class T>
class Segments {
public:
    explicit Segments(const Work<T> &work) : w_(work) {}

    // Instructions of a stage, for these rows of step t, and for these columns of every value where it is sliced.
    void run(const UnrolledStage &stage, int64_t t, Range rows, Range columns, int thread) const {
        const int64_t width = stage.sliced ? std::min(columns.size(), kTile) : w_.program.widest;
        const int64_t height = std::max<int64_t>(1, kTile / std::max<int64_t>(1, width));
        for (int64_t row = rows.begin; row < rows.end; row += height) {
            const int64_t count = std::min(height, rows.end - row);
            if (!stage.sliced) {
                tile(stage, t, row, count, {0, 0}, thread);
                continue;
            }
            for (int64_t column = columns.begin; column < columns.end; column += kTile)
                tile(stage, t, row, count, {column, std::min(column + kTile, columns.end)}, thread);
        }
    }

    // The same for rows of all steps, all columns; step by step, where a buffer holds one step for all.
    void run_flat(const UnrolledStage &stage, Range rows, int thread) const {
        if (!reads_one_step_for_all(stage)) return run(stage, 0, rows, {0, stage.sliced}, thread);
        for (int64_t t = rows.begin / w_.batch; t * w_.batch < rows.end; ++t) {
            const int64_t first = t * w_.batch;
            const Range here = {std::max<int64_t>(rows.begin - first, 0), std::min(rows.end - first, w_.batch)};
            run(stage, t, here, {0, stage.sliced}, thread);
        }
    }

private:
    bool reads_one_step_for_all(const UnrolledStage &stage) const {
        for (int64_t one = stage.first; one < stage.first + stage.count; ++one)
            for (const UnrolledOperand &operand : w_.program.instructions[one].operands) {
                if (operand.kind != UNROLLED_BUFFER) continue;
                const UnrolledBuffer &b = w_.buffers[operand.index];
                if (b.step == 0 && b.ld != 0) return true;
            }
        return false;
    }

    void tile(const UnrolledStage &stage, int64_t t, int64_t row, int64_t rows, Range columns, int thread) const {
        for (int64_t one = stage.first; one < stage.first + stage.count; ++one) {
            const UnrolledInstruction &i = w_.program.instructions[one];
            Tile<T> tile;
            tile.rows = rows;
            tile.width = stage.sliced ? columns.size() : i.width;
            tile.number = static_cast<T>(i.number);
            tile.result = find(i.result, t, row, columns.begin, tile.width, thread, &tile.result_stride);
            const UnrolledOperand *operands = i.operands;
            if (i.operation == UNROLLED_ROWS_WHERE) {
                tile.mask = w_.template at<uint8_t>(operands[0].index, 0, t, row);
                tile.mask_stride = w_.ld(operands[0].index);
            } else {
                tile.a = find(operands[0], t, row, columns.begin, tile.width, thread, &tile.a_stride);
            }
            tile.b = find(operands[1], t, row, columns.begin, tile.width, thread, &tile.b_stride);
            tile.c = find(operands[2], t, row, columns.begin, tile.width, thread, &tile.c_stride);
            w_.kernels.instruction[i.operation](tile);
        }
    }

    T *find(const UnrolledOperand &o, int64_t t, int64_t row, int64_t column, int64_t width, int thread,
            int64_t *stride) const {
        switch (o.kind) {
            case UNROLLED_REGISTER:
                *stride = width;
                return w_.a_register(thread, o.index);
            case UNROLLED_BUFFER:
                *stride = w_.ld(o.index);
                return w_.at(o.index, o.column, t, row) + column;
            case UNROLLED_CONSTANT:
                *stride = 0;
                return w_.constant(o.index);
            default:
                *stride = 0;
                return nullptr;
        }
    }

    const Work<T> &w_;
};

}  // namespace unrolled
