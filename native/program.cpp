// Running a program: phases, stages, and how threads share them. Knows no kernels, no cell, no gradients.

#include <algorithm>
#include <new>
#include <vector>

#include "choices.h"
#include "products.h"
#include "segments.h"
#include "sums.h"
#include "team.h"
#include "unrolled.h"
#include "work.h"

namespace unrolled {
namespace {

constexpr int64_t kFlatPanels = 16;      // panels of a piece of a product over all steps
constexpr int64_t kSegmentRows = 64;     // rows of a piece of a segment over all steps
constexpr int64_t kWorth = 200000;       // multiplications that are worth a thread
constexpr int64_t kCoreCache = 768 << 10;  // bytes of a core's own cache that matrices may take

template <class T>
class Run {
public:
    Run(const Work<T> &work, bool backwards, int split)
        : w_(work), p_(work.program), segments_(work), products_(work), sums_(work), choices_(work), backwards_(backwards) {
        for (int64_t one = 0; one < p_.stage_count; ++one)
            if (p_.stages[one].phase == UNROLLED_LOOP) loop_.push_back(&p_.stages[one]);
        by_units_ = split == UNROLLED_BY_UNITS || (split == UNROLLED_BY_RULE && units_by_rule());
    }

    void operator()() const {
        for (int phase = UNROLLED_ONCE; phase <= UNROLLED_FINAL; ++phase) {
            if (phase == UNROLLED_LOOP) {
                loop();
                continue;
            }
            for (int64_t one = 0; one < p_.stage_count; ++one)
                if (p_.stages[one].phase == phase) flat(p_.stages[one]);
        }
    }

private:
    // ---- the flat phases: pieces of all rows ----

    void flat(const UnrolledStage &stage) const {
        const bool is_one_row = stage.phase == UNROLLED_ONCE || stage.phase == UNROLLED_FINAL;
        const int64_t rows = is_one_row ? 1 : w_.steps * w_.batch;
        if (stage.kind == UNROLLED_SEGMENT)
            flat_segment(stage, rows);
        else if (stage.kind == UNROLLED_PRODUCT)
            flat_product(p_.products[stage.first], rows);
        else
            flat_sum(p_.sums[stage.first]);
    }

    void flat_segment(const UnrolledStage &stage, int64_t rows) const {
        pieces(up(rows, kSegmentRows), rows * stage.count * p_.widest, [&](int64_t piece, int thread) {
            const int64_t row = piece * kSegmentRows;
            segments_.run_flat(stage, {row, std::min(rows, row + kSegmentRows)}, thread);
        });
    }

    void flat_product(const UnrolledProduct &p, int64_t rows) const {
        const Shape s = w_.shape(p.matrix);
        const int64_t down = up(rows, kFlatRows), across = up(s.panels, kFlatPanels);
        pieces(down * across, rows * s.depth * s.width, [&](int64_t piece, int thread) {
            const int64_t row = piece / across * kFlatRows, panel = piece % across * kFlatPanels;
            products_.run(p, 0, {row, std::min(rows, row + kFlatRows)}, {panel, std::min(s.panels, panel + kFlatPanels)},
                          thread);
        });
    }

    void flat_sum(const UnrolledSum &s) const {
        const int64_t panels = up(s.columns, w_.kernels.panel);
        const int64_t width = std::clamp<int64_t>(up(panels, w_.threads), 1, kSumPanels) * w_.kernels.panel;
        const int64_t across = up(s.columns, width);
        const int64_t height =
            across >= w_.threads ? s.rows : padded(up(s.rows * across, w_.threads), w_.kernels.block_rows);
        const int64_t down = up(s.rows, height);
        pieces(down * across, w_.steps * w_.batch * s.rows * s.columns, [&](int64_t piece, int thread) {
            const int64_t row = piece / across * height, column = piece % across * width;
            sums_.run(s, {row, std::min<int64_t>(s.rows, row + height)},
                      {column, std::min<int64_t>(s.columns, column + width)}, thread);
        });
    }

    // Do the pieces, in any order, by as many threads as `work` (multiplications) is worth.
    template <class Do>
    void pieces(int64_t count, int64_t work, Do &&piece) const {
        Counter counter;
        const int members = gathered(static_cast<int>(std::min<int64_t>({w_.threads, count, 1 + work / kWorth})));
        run_together(members, [&](int thread) {
            for (int64_t one; (one = counter.next()) < count;) piece(one, thread);
        });
    }

    // ---- the loop over time ----

    void loop() const {
        if (loop_.empty()) return;
        const int members = gathered(loop_members());
        Barrier barrier(members);
        run_together(members, [&](int thread) {
            for (int64_t step = 0; step < w_.steps; ++step) {
                const int64_t t = backwards_ ? w_.steps - 1 - step : step;
                for (const UnrolledStage *stage : loop_) {
                    if (by_units_ && stage->barrier) barrier.wait();
                    loop_stage(*stage, t, thread, members);
                }
            }
        });
    }

    void loop_stage(const UnrolledStage &stage, int64_t t, int thread, int members) const {
        const Range all = {0, w_.batch}, mine = share(w_.batch, 1, thread, members);
        if (stage.kind == UNROLLED_LOOKUP) return choices_.look_up(p_.lookups[stage.first], t, mine);
        if (stage.kind == UNROLLED_CHOICE) return choices_.choose(p_.choices[stage.first], t, mine, thread);
        if (stage.kind == UNROLLED_PRODUCT) {
            const UnrolledProduct &p = p_.products[stage.first];
            const int64_t panels = w_.shape(p.matrix).panels;
            return by_units_ ? products_.run(p, t, all, share(panels, 1, thread, members), thread)
                             : products_.run(p, t, mine, {0, panels}, thread);
        }
        if (by_units_ && stage.sliced)
            segments_.run(stage, t, all, share(stage.sliced, w_.kernels.panel, thread, members), thread);
        else
            segments_.run(stage, t, mine, {0, stage.sliced}, thread);
    }

    int loop_members() const {
        const int64_t worth = 1 + loop_work() * w_.steps / kWorth;
        const int64_t most = by_units_ ? w_.threads : std::min<int64_t>(w_.threads, w_.batch);
        return static_cast<int>(std::max<int64_t>(1, std::min<int64_t>(most, worth)));
    }

    int64_t loop_work() const {  // multiplications of one step, more or less
        int64_t work = 0;
        for (const UnrolledStage *stage : loop_)
            if (stage->kind == UNROLLED_PRODUCT)
                work += w_.batch * product_size(*stage);
            else
                work += w_.batch * stage->count * (stage->sliced ? stage->sliced : p_.widest);
        return work;
    }

    int64_t product_size(const UnrolledStage &stage) const {
        const Shape s = w_.shape(p_.products[stage.first].matrix);
        return s.depth * s.width;
    }

    // Units are split where the loop's matrices are too large for one core's cache, or the rows too few to share.
    bool units_by_rule() const {
        int64_t elements = 0;
        for (const UnrolledStage *stage : loop_)
            if (stage->kind == UNROLLED_PRODUCT) elements += product_size(*stage);
        if (elements == 0) return w_.batch < w_.threads;
        return w_.batch < 4 * w_.threads || elements * element_size() > kCoreCache;
    }

    int64_t element_size() const {
        return p_.type == UNROLLED_INT8 ? 1 : p_.type == UNROLLED_BFLOAT16 ? 2 : int64_t(sizeof(T));
    }

    const Work<T> &w_;
    const UnrolledProgram &p_;
    const Segments<T> segments_;
    const Products<T> products_;
    const Sums<T> sums_;
    const Choices<T> choices_;
    const bool backwards_;
    bool by_units_;
    std::vector<const UnrolledStage *> loop_;
};

}  // namespace
}  // namespace unrolled

using namespace unrolled;

extern "C" int32_t unrolled_run(const UnrolledProgram *program, const UnrolledBuffer *buffers, const void *const *packed,
                                int64_t steps, int64_t batch, int32_t backwards, int32_t threads, int32_t split) {
    threads = std::clamp(threads, 1, 255);
    try {
        if (program->type == UNROLLED_FLOAT64)
            Run<double>({*program, buffers, packed, steps, batch, threads}, backwards != 0, split)();
        else
            Run<float>({*program, buffers, packed, steps, batch, threads}, backwards != 0, split)();
    } catch (const std::bad_alloc &) {
        return UNROLLED_NO_MEMORY;
    }
    return 0;
}
