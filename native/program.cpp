// Running a program: phases, stages, and how threads share them. Knows no kernels, no cell, no gradients.

#include <unistd.h>

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
constexpr int64_t kWorthAThread = 1000000;       // multiplications that are worth a thread
constexpr int64_t kStepWorthAThread = 100000;  // ... in one step, where all meet in each
constexpr int64_t kElement = 8;           // an instruction takes as long for one element as so many multiplications

// Bytes of matrices that a core can go through again and again: a little more than its own cache holds.
int64_t core_cache() {
    int64_t found = 0;
#if defined(_SC_LEVEL2_CACHE_SIZE)
    static const int64_t told = sysconf(_SC_LEVEL2_CACHE_SIZE);
    found = told;
#endif
    return (found > 0 ? found : 1 << 20) / 8 * 9;
}

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
    void flat(const UnrolledStage &stage) const {
        const bool is_one_row = stage.phase == UNROLLED_ONCE || stage.phase == UNROLLED_FINAL;
        const int64_t rows = is_one_row ? 1 : w_.steps * w_.batch;
        switch (stage.kind) {
            case UNROLLED_SEGMENT: return flat_segment(stage, rows);
            case UNROLLED_PRODUCT: return flat_product(p_.products[stage.first], rows);
            case UNROLLED_SUM: return flat_sum(p_.sums[stage.first]);
        }
    }

    void flat_segment(const UnrolledStage &stage, int64_t rows) const {
        pieces(up(rows, kSegmentRows), rows * segment_size(stage), [&](int64_t piece, int thread) {
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
        const int64_t of_a_row = std::max<int64_t>(s.rows, kElement) * s.columns;  // to read it counts, too
        pieces(down * across, w_.steps * w_.batch * of_a_row, [&](int64_t piece, int thread) {
            const int64_t row = piece / across * height, column = piece % across * width;
            sums_.run(s, {row, std::min<int64_t>(s.rows, row + height)},
                      {column, std::min<int64_t>(s.columns, column + width)}, thread);
        });
    }

    // Do the pieces, in any order, by as many threads as `work` (multiplications) is worth.
    template <class Do>
    void pieces(int64_t count, int64_t work, Do &&piece) const {
        in_pieces(static_cast<int>(std::min<int64_t>(w_.threads, 1 + work / kWorthAThread)), count, piece);
    }

    void loop() const {
        if (loop_.empty() || w_.batch == 0) return;
        const int64_t worth = by_units_ ? loop_work() / kStepWorthAThread : loop_work() * w_.steps / kWorthAThread;
        const int members = static_cast<int>(std::min<int64_t>(w_.threads, 1 + worth));
        by_units_ ? loop_by_units(members) : loop_by_rows(members);
    }

    int64_t time_of(int64_t step) const { return backwards_ ? w_.steps - 1 - step : step; }

    // A piece is some rows for all steps: as many as a product works on at once.
    void loop_by_rows(int members) const {
        const int64_t blocks = up(up(w_.batch, members), w_.kernels.block_rows);
        const int shares = static_cast<int>(std::min<int64_t>(members * blocks, w_.batch));
        in_pieces(members, shares, [&](int64_t piece, int thread) {
            const Range rows = share(w_.batch, piece, shares);
            for (int64_t step = 0; step < w_.steps; ++step)
                for (const UnrolledStage *stage : loop_) by_rows(*stage, time_of(step), rows, thread);
        });
    }

    // Round after round: stages that go on with the same units are one, and a piece is a range of these units.
    void loop_by_units(int members) const {
        const std::vector<Group> groups = grouped();
        std::vector<int> counts;
        for (const Group &group : groups) counts.push_back(static_cast<int>(up(group.size, group.piece(members))));
        const int64_t count = static_cast<int64_t>(groups.size());
        if (w_.steps * count > UINT32_MAX) return loop_by_rows(members);  // more than there are numbers for rounds
        Rounds rounds(members, counts, static_cast<uint32_t>(w_.steps * count));
        run_together(members, [&](int thread) {
            rounds.take_part(thread, [&](uint32_t round, int piece) {
                const Group &group = groups[static_cast<size_t>(round % count)];
                const int64_t size = group.piece(members), begin = piece * size;
                const Range range = {begin, std::min(group.size, begin + size)};
                for (int64_t one = group.first; one < group.end; ++one)
                    group.unit > 0 ? by_units(*loop_[one], time_of(round / count), range, thread)
                                   : by_rows(*loop_[one], time_of(round / count), range, thread);
            });
        });
    }

    // Stages of the loop that one thread can do one after the other for a range: of panels of `unit` units, or, where that
    // is 0, of rows. `least`: so many panels at once are worth more than one after the other.
    struct Group {
        int64_t first, end, unit, size, least;

        int64_t piece(int members) const {
            return std::max(up(size, 4 * members), std::min(least, up(size, members)));
        }
    };

    std::vector<Group> grouped() const {
        std::vector<Group> groups;
        for (int64_t one = 0; one < static_cast<int64_t>(loop_.size()); ++one) {
            const int64_t unit = unit_of(*loop_[one]);
            if (!groups.empty() && !loop_[one]->barrier && groups.back().unit == unit) {
                groups.back().end = one + 1;
                continue;
            }
            const int64_t size = unit > 0 ? up(unit, w_.kernels.panel) : w_.batch;
            groups.push_back({one, one + 1, unit, size, unit > 0 && w_.batch <= kFewRows ? kMostPanels : 1});
        }
        return groups;
    }

    int64_t unit_of(const UnrolledStage &stage) const {
        if (stage.kind == UNROLLED_PRODUCT) return w_.shape(p_.products[stage.first].matrix).part;
        return stage.kind == UNROLLED_SEGMENT ? stage.sliced : 0;
    }

    void by_units(const UnrolledStage &stage, int64_t t, Range panels, int thread) const {
        const Range all = {0, w_.batch};
        if (stage.kind == UNROLLED_PRODUCT) return products_.run(p_.products[stage.first], t, all, panels, thread);
        const int64_t panel = w_.kernels.panel;
        segments_.run(stage, t, all, {panels.begin * panel, std::min<int64_t>(stage.sliced, panels.end * panel)}, thread);
    }

    void by_rows(const UnrolledStage &stage, int64_t t, Range rows, int thread) const {
        switch (stage.kind) {
            case UNROLLED_LOOKUP: return choices_.look_up(p_.lookups[stage.first], t, rows);
            case UNROLLED_CHOICE: return choices_.choose(p_.choices[stage.first], t, rows, thread);
            case UNROLLED_SEGMENT: return segments_.run(stage, t, rows, {0, stage.sliced}, thread);
            case UNROLLED_PRODUCT: return all_panels(p_.products[stage.first], t, rows, thread);
        }
    }

    void all_panels(const UnrolledProduct &p, int64_t t, Range rows, int thread) const {
        products_.run(p, t, rows, {0, w_.shape(p.matrix).panels}, thread);
    }

    int64_t loop_work() const {  // multiplications of one step, more or less
        int64_t work = 0;
        for (const UnrolledStage *stage : loop_)
            if (stage->kind == UNROLLED_PRODUCT)
                work += w_.batch * product_size(*stage);
            else
                work += w_.batch * segment_size(*stage);
        return work;
    }

    int64_t segment_size(const UnrolledStage &stage) const {
        return stage.count * (stage.sliced ? stage.sliced : p_.widest) * kElement;
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
        return w_.batch < 4 * w_.threads || elements * element_size() > core_cache();
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
    threads = clamped(threads);
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
