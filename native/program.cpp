// Running a program: phases, stages, and how threads share them. Knows kernels and threads; no cell, no gradients.

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "dispatch.h"
#include "team.h"
#include "unrolled.h"

namespace unrolled {
namespace {

constexpr int64_t kLine = 64;          // bytes of a cache line
constexpr int64_t kTile = 512;         // elements of a tile's register
constexpr int64_t kDepth = 512;        // of a panel that is worked on at once
constexpr int64_t kFlatRows = 128;     // rows of a piece of a product over all steps
constexpr int64_t kFlatPanels = 16;    // and its panels
constexpr int64_t kSegmentRows = 64;   // rows of a piece of a segment over all steps
constexpr int64_t kSumDepth = 512;     // rows that are added up before they join the total
constexpr int64_t kSumRows = 224;      // rows of a sum that are worked on at once
constexpr int64_t kSumPanels = 8;      // panels of a piece of a sum, at most

int64_t up(int64_t value, int64_t unit) { return (value + unit - 1) / unit; }
int64_t padded(int64_t value, int64_t unit) { return up(value, unit) * unit; }

struct Range {
    int64_t begin, end;
    int64_t size() const { return end - begin; }
};

// The share of one of `members`, in whole units.
Range share(int64_t total, int64_t unit, int member, int members) {
    const int64_t units = up(total, unit);
    return {std::min(total, units * member / members * unit), std::min(total, units * (member + 1) / members * unit)};
}

struct Free {
    void operator()(void *memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<void, Free>;

void *aligned(int64_t bytes) {
    void *memory = nullptr;
    if (posix_memalign(&memory, kLine, static_cast<size_t>(std::max<int64_t>(bytes, kLine))) != 0) throw std::bad_alloc();
    return memory;
}

// float to bfloat16, to the nearest, ties to even; NaN stays NaN.
BFloat16 narrowed(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<BFloat16>((bits >> 16) | 0x40);
    return static_cast<BFloat16>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// ---- packed matrices -------------------------------------------------------------------------------------------------

struct Shape {
    int64_t depth, width, parts, part, panels, panel;  // `panels` of each part
    int64_t all_panels() const { return parts * panels; }
};

Shape shape_of(const UnrolledMatrix &m, int64_t panel, bool in_pairs) {
    const int64_t depth = m.transposed ? m.rows : m.columns, width = m.transposed ? m.columns : m.rows;
    const int64_t part = width / m.parts;
    return {in_pairs ? padded(depth, 2) : depth, width, m.parts, part, up(part, panel), panel};
}

// Where element (k, n) of a matrix lies in its data.
struct Source {
    int64_t k, n;
};
Source source_of(const UnrolledMatrix &m) { return m.transposed ? Source{m.columns, 1} : Source{1, m.columns}; }

constexpr int64_t kAtOnce = 16;
constexpr int64_t kWide = 32;  // the widest panel

template <class T, class Element, class Convert>
void pack(const UnrolledMatrix &m, const Shape &s, const T *data, Element *packed, bool in_pairs, Range panels,
          Convert convert) {
    const int64_t real = m.transposed ? m.rows : m.columns, group = in_pairs ? 2 : 1;
    const Source at = source_of(m);
    for (int64_t index = panels.begin; index < panels.end; ++index) {
        const int64_t first = index / s.panels * s.part + index % s.panels * s.panel;
        const int64_t count = std::min(s.panel, s.part - index % s.panels * s.panel);
        Element *to = packed + index * s.depth * s.panel;
        // lines of the source are read whole: kAtOnce steps of depth of one column after the other
        for (int64_t begin = 0; begin < s.depth; begin += kAtOnce) {
            const int64_t end = std::min(s.depth, begin + kAtOnce);
            for (int64_t n = 0; n < s.panel; ++n) {
                const T *from = data + (first + std::min(n, count - 1)) * at.n;
                for (int64_t k = begin; k < end; ++k)
                    to[k / group * group * s.panel + n * group + k % group] =
                        n < count && k < real ? convert(from[k * at.k]) : Element{};
            }
        }
    }
}

// ---- a program at work ------------------------------------------------------------------------------------------------

template <class T>
class Run {
public:
    Run(const UnrolledProgram &program, const UnrolledBuffer *buffers, const void *const *packed, int64_t steps,
        int64_t batch, bool backwards, int threads, int split)
        : p_(program), buffers_(buffers), packed_(packed), k_(kernels<T>()), steps_(steps), batch_(batch),
          backwards_(backwards), in_pairs_(program.type == UNROLLED_BFLOAT16), threads_(std::clamp(threads, 1, 255)) {
        widest_ = std::max<int64_t>(kTile, program.widest);
        constants_.reset(aligned(program.constant_count * widest_ * int64_t(sizeof(T))));
        T *constant = static_cast<T *>(constants_.get());
        for (int64_t one = 0; one < program.constant_count; ++one)
            std::fill_n(constant + one * widest_, widest_, static_cast<T>(program.constants[one]));
        int64_t deepest = 1;
        loop_has_products_ = false;
        for (int64_t one = 0; one < program.stage_count; ++one) {
            const UnrolledStage &stage = program.stages[one];
            if (stage.kind != UNROLLED_PRODUCT) continue;
            deepest = std::max(deepest, shape(program.products[stage.first].matrix).depth);
            loop_has_products_ |= stage.phase == UNROLLED_LOOP;
        }
        const int64_t registers = program.registers * widest_ * int64_t(sizeof(T));
        const int64_t sums = kSumDepth * kSumPanels * k_.panel * int64_t(sizeof(T));
        const int64_t rows = std::max(batch, kFlatRows) * (deepest + kLine) * int64_t(in_pairs_ ? 2 : sizeof(T));
        by_units_ = split == UNROLLED_BY_UNITS || (split == UNROLLED_BY_RULE && units_by_rule());
        scratch_size_ = padded(registers, kLine) + padded(std::max(sums, rows), kLine);
        scratch_.reset(aligned(scratch_size_ * threads_));
        tiles_ = padded(registers, kLine);
    }

    void operator()() {
        for (int phase = UNROLLED_ONCE; phase <= UNROLLED_FINAL; ++phase) {
            if (phase == UNROLLED_LOOP)
                loop();
            else
                for (int64_t one = 0; one < p_.stage_count; ++one)
                    if (p_.stages[one].phase == phase) flat(p_.stages[one]);
        }
    }

private:
    // ---- where things lie ----

    T *at(int32_t buffer, int32_t column, int64_t t, int64_t row) const {
        const UnrolledBuffer &b = buffers_[buffer];
        return static_cast<T *>(b.data) + t * b.step + row * b.ld + column;
    }
    int64_t ld(int32_t buffer) const { return buffers_[buffer].ld; }
    char *scratch(int thread) const { return static_cast<char *>(scratch_.get()) + thread * scratch_size_; }
    Shape shape(int32_t matrix) const { return shape_of(p_.matrices[matrix], k_.panel, in_pairs_); }
    int64_t rows_of(int32_t phase) const {
        return phase == UNROLLED_ONCE || phase == UNROLLED_FINAL ? 1 : steps_ * batch_;
    }

    // ---- segments ----

    // Instructions of a stage, for these rows of step t, and for these columns of every value where it is sliced.
    void segment(const UnrolledStage &stage, int64_t t, Range rows, Range columns, int thread) const {
        const int64_t width = stage.sliced ? std::min(columns.size(), kTile) : p_.widest;
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

    void tile(const UnrolledStage &stage, int64_t t, int64_t row, int64_t rows, Range columns, int thread) const {
        T *registers = reinterpret_cast<T *>(scratch(thread));
        for (int64_t one = stage.first; one < stage.first + stage.count; ++one) {
            const UnrolledInstruction &i = p_.instructions[one];
            Tile<T> work;
            work.rows = rows;
            work.width = stage.sliced ? columns.size() : i.width;
            work.number = static_cast<T>(i.number);
            work.result = find(i.result, t, row, columns.begin, work.width, registers, &work.result_stride);
            const UnrolledOperand *operands = i.operands;
            if (i.operation == UNROLLED_ROWS_WHERE) {
                const UnrolledBuffer &b = buffers_[operands[0].index];
                work.mask = static_cast<const uint8_t *>(b.data) + t * b.step + row * b.ld;
                work.mask_stride = b.ld;
            } else {
                work.a = find(operands[0], t, row, columns.begin, work.width, registers, &work.a_stride);
            }
            work.b = find(operands[1], t, row, columns.begin, work.width, registers, &work.b_stride);
            work.c = find(operands[2], t, row, columns.begin, work.width, registers, &work.c_stride);
            k_.instruction[i.operation](work);
        }
    }

    T *find(const UnrolledOperand &o, int64_t t, int64_t row, int64_t column, int64_t width, T *registers,
            int64_t *stride) const {
        switch (o.kind) {
            case UNROLLED_REGISTER:
                *stride = width;
                return registers + o.index * widest_;
            case UNROLLED_BUFFER:
                *stride = ld(o.index);
                return at(o.index, o.column, t, row) + column;
            case UNROLLED_CONSTANT:
                *stride = 0;
                return static_cast<T *>(constants_.get()) + o.index * widest_;
            default:
                *stride = 0;
                return nullptr;
        }
    }

    // ---- products ----

    // For these rows of step t and these panels of every part.
    void product(const UnrolledProduct &p, int64_t t, Range rows, Range panels, int thread) const {
        const Shape s = shape(p.matrix);
        if (rows.size() <= 0 || panels.size() <= 0) return;
        const T *a = at(p.value, p.value_column, t, rows.begin);
        int64_t a_row = ld(p.value);
        BFloat16 *narrow = reinterpret_cast<BFloat16 *>(scratch(thread) + tiles_);
        if (in_pairs_) {
            narrow_rows(a, a_row, depth_of(p), rows.size(), s.depth, narrow);
        } else if (collide(a_row, rows.size())) {
            T *apart = reinterpret_cast<T *>(scratch(thread) + tiles_);
            for (int64_t row = 0; row < rows.size(); ++row)
                std::memcpy(apart + row * (s.depth + kApart), a + row * a_row, static_cast<size_t>(s.depth) * sizeof(T));
            a = apart, a_row = s.depth + kApart;
        }
        for (int64_t part = 0; part < s.parts; ++part) {
            const int64_t column = part * s.part + panels.begin * s.panel;
            const int64_t width = std::min(s.part, panels.end * s.panel) - panels.begin * s.panel;
            T *c = at(p.destination, p.destination_column, t, rows.begin) + column;
            const T *init = p.init < 0 ? nullptr : at(p.init, p.init_column, t, rows.begin) + column;
            const int64_t init_row = p.init < 0 ? 0 : ld(p.init);
            const int64_t first = part * s.panels + panels.begin;
            if (in_pairs_)
                blocks<BFloat16>(k_.block_bfloat16, narrow, s.depth, p, s, first, panels.size(), c, ld(p.destination), init,
                                 init_row, rows.size(), width);
            else
                blocks<T>(k_.block, a, a_row, p, s, first, panels.size(), c, ld(p.destination), init, init_row,
                          rows.size(), width);
        }
    }

    template <class Element>
    void blocks(void (*block)(const Block<T, Element> &), const Element *a, int64_t a_row, const UnrolledProduct &p,
                const Shape &s, int64_t first, int64_t panels, T *c, int64_t c_row, const T *init, int64_t init_row,
                int64_t rows, int64_t width) const {
        const Element *b = static_cast<const Element *>(packed_[p.matrix]) + first * s.depth * s.panel;
        // few rows: many panels at once, to keep enough sums on their way; many: one panel's piece in the first cache
        const int64_t together = rows <= 4 ? panels : 1;
        for (int64_t depth = 0; depth < s.depth; depth += kDepth)
            for (int64_t panel = 0; panel < panels; panel += together) {
                Block<T, Element> w;
                w.a = a + depth, w.a_row = a_row, w.a_step = 1;
                w.b = b + panel * s.depth * s.panel + depth * s.panel;
                w.b_step = (in_pairs_ ? 2 : 1) * s.panel, w.panel_stride = s.depth * s.panel, w.panels = together;
                w.c = c + panel * s.panel, w.c_row = c_row;
                w.init = depth > 0 ? w.c : init == nullptr ? nullptr : init + panel * s.panel;
                w.init_row = depth > 0 ? c_row : init_row, w.last = false;
                w.rows = rows, w.depth = std::min(kDepth, s.depth - depth);
                w.width = std::min(width - panel * s.panel, together * s.panel);
                block(w);
            }
    }

    // Whether so many rows, so far apart, fall on each other in a cache.
    static bool collide(int64_t row, int64_t rows) { return rows > 8 && row * int64_t(sizeof(T)) % 4096 == 0; }
    static constexpr int64_t kApart = kLine / int64_t(sizeof(T));  // elements that keep them apart

    int64_t depth_of(const UnrolledProduct &p) const {
        const UnrolledMatrix &m = p_.matrices[p.matrix];
        return m.transposed ? m.rows : m.columns;
    }

    static void narrow_rows(const T *a, int64_t a_row, int64_t width, int64_t rows, int64_t depth, BFloat16 *to) {
        for (int64_t row = 0; row < rows; ++row, a += a_row, to += depth) {
            for (int64_t k = 0; k < width; ++k) to[k] = narrowed(static_cast<float>(a[k]));
            if (depth > width) to[width] = 0;
        }
    }

    // ---- the flat phases ----

    void flat(const UnrolledStage &stage) const {
        Counter counter;
        const int64_t rows = rows_of(stage.phase);
        if (stage.kind == UNROLLED_SEGMENT) {
            pieces(up(rows, kSegmentRows), rows * stage.count * p_.widest, [&](int64_t piece, int thread) {
                segment(stage, 0, {piece * kSegmentRows, std::min(rows, (piece + 1) * kSegmentRows)}, {0, stage.sliced},
                        thread);
            });
        } else if (stage.kind == UNROLLED_PRODUCT) {
            const UnrolledProduct &p = p_.products[stage.first];
            const Shape s = shape(p.matrix);
            const int64_t down = up(rows, kFlatRows), across = up(s.panels, kFlatPanels);
            pieces(down * across, rows * s.depth * s.width, [&](int64_t piece, int thread) {
                const int64_t row = piece / across * kFlatRows, panel = piece % across * kFlatPanels;
                product(p, 0, {row, std::min(rows, row + kFlatRows)}, {panel, std::min(s.panels, panel + kFlatPanels)},
                        thread);
            });
        } else {
            const UnrolledSum &s = p_.sums[stage.first];
            const int64_t summed = steps_ * batch_, panels = up(s.columns, k_.panel);
            const int64_t width = std::clamp<int64_t>(up(panels, threads_), 1, kSumPanels) * k_.panel;
            const int64_t across = up(s.columns, width);
            const int64_t height = across >= threads_ ? s.rows : padded(up(s.rows * across, threads_), k_.block_rows);
            const int64_t down = up(s.rows, height);
            pieces(down * across, summed * s.rows * s.columns, [&](int64_t piece, int thread) {
                const int64_t row = piece / across * height, column = piece % across * width;
                sum(s, summed, {row, std::min<int64_t>(s.rows, row + height)},
                    {column, std::min<int64_t>(s.columns, column + width)}, thread);
            });
        }
    }

    // Do the pieces, in any order, by as many threads as `work` (multiplications) is worth.
    template <class Do>
    void pieces(int64_t count, int64_t work, Do &&piece) const {
        Counter counter;
        const int members = static_cast<int>(std::min<int64_t>({threads_, count, 1 + work / kWorth}));
        run_together(members, [&](int thread) {
            for (int64_t one; (one = counter.next()) < count;) piece(one, thread);
        });
    }
    static constexpr int64_t kWorth = 200000;  // multiplications that are worth a thread

    // destination[n, k] for these rows n and columns k, of kSumPanels panels at most: kSumDepth rows of the values are
    // added up in registers, and then to the total.
    void sum(const UnrolledSum &s, int64_t summed, Range rows, Range columns, int thread) const {
        const int64_t panel = k_.panel, panels = up(columns.size(), panel);
        T *values = reinterpret_cast<T *>(scratch(thread) + tiles_);
        T *destination = at(s.destination, 0, 0, 0);
        const bool ones = s.gradient < 0;
        if (ones) return sum_of_ones(s, summed, columns, values);
        for (int64_t depth = 0; depth < summed; depth += kSumDepth) {
            Block<T, T> w;
            w.depth = std::min(kSumDepth, summed - depth), w.last = true;
            gather(at(s.value, s.value_column, 0, depth) + columns.begin, ld(s.value), w.depth, columns.size(), values);
            w.a_row = 1, w.a_step = ld(s.gradient), w.b_step = panel, w.panel_stride = 0, w.panels = 1;
            w.c_row = w.init_row = s.columns;
            for (int64_t row = rows.begin; row < rows.end; row += kSumRows)
                for (int64_t p = 0; p < panels; ++p) {
                    w.rows = std::min(kSumRows, rows.end - row), w.width = std::min(panel, columns.size() - p * panel);
                    w.a = at(s.gradient, s.gradient_column, 0, depth) + row;
                    w.b = values + p * w.depth * panel;
                    w.c = destination + row * s.columns + columns.begin + p * panel;
                    w.init = depth == 0 ? nullptr : w.c;
                    k_.block(w);
                }
        }
        if (summed == 0)
            for (int64_t row = rows.begin; row < rows.end; ++row)
                std::fill_n(destination + row * s.columns + columns.begin, columns.size(), T{0});
    }

    // The sum of the values themselves; whole panels are read where they are.
    void sum_of_ones(const UnrolledSum &s, int64_t summed, Range columns, T *values) const {
        static const T one = 1;
        const int64_t panel = k_.panel, whole = columns.size() / panel * panel;
        T *destination = at(s.destination, 0, 0, 0) + columns.begin;
        std::fill_n(destination, columns.size(), T{0});
        for (int64_t depth = 0; depth < summed; depth += kSumDepth) {
            const T *from = at(s.value, s.value_column, 0, depth) + columns.begin;
            Block<T, T> w;
            w.a = &one, w.a_row = w.a_step = 0, w.depth = std::min(kSumDepth, summed - depth), w.last = true;
            w.c_row = w.init_row = 0, w.rows = 1;
            w.b = from, w.b_step = ld(s.value), w.panel_stride = panel, w.panels = whole / panel;
            w.c = destination, w.init = destination, w.width = whole;
            if (whole > 0) k_.block(w);
            if (whole == columns.size()) continue;
            gather(from + whole, ld(s.value), w.depth, columns.size() - whole, values);
            w.b = values, w.b_step = panel, w.panels = 1;
            w.c = destination + whole, w.init = w.c, w.width = columns.size() - whole;
            k_.block(w);
        }
    }

    // Rows of a buffer as panels.
    void gather(const T *from, int64_t stride, int64_t rows, int64_t width, T *to) const {
        for (int64_t column = 0; column < width; column += k_.panel) {
            const int64_t count = std::min<int64_t>(k_.panel, width - column);
            for (int64_t row = 0; row < rows; ++row, to += k_.panel) {
                const T *line = from + row * stride + column;
                if (count == kWide)
                    std::memcpy(to, line, kWide * sizeof(T));  // (a size that is known is copied in place)
                else
                    std::memcpy(to, line, static_cast<size_t>(count) * sizeof(T));
                if (count < k_.panel) std::fill(to + count, to + k_.panel, T{0});
            }
        }
    }

    // ---- the loop ----

    void loop() const {
        std::vector<const UnrolledStage *> stages;
        for (int64_t one = 0; one < p_.stage_count; ++one)
            if (p_.stages[one].phase == UNROLLED_LOOP) stages.push_back(&p_.stages[one]);
        if (stages.empty()) return;
        const int members = loop_members();
        Barrier barrier(members);
        run_together(members, [&](int thread) {
            for (int64_t step = 0; step < steps_; ++step) {
                const int64_t t = backwards_ ? steps_ - 1 - step : step;
                for (const UnrolledStage *stage : stages) {
                    if (by_units_ && stage->barrier) barrier.wait();
                    loop_stage(*stage, t, thread, members);
                }
            }
        });
    }

    void loop_stage(const UnrolledStage &stage, int64_t t, int thread, int members) const {
        const Range all = {0, batch_}, mine = share(batch_, 1, thread, members);
        if (stage.kind == UNROLLED_PRODUCT) {
            const UnrolledProduct &p = p_.products[stage.first];
            const Shape s = shape(p.matrix);
            if (by_units_)
                product(p, t, all, share(s.panels, 1, thread, members), thread);
            else
                product(p, t, mine, {0, s.panels}, thread);
        } else if (by_units_ && stage.sliced) {
            segment(stage, t, all, share(stage.sliced, k_.panel, thread, members), thread);
        } else {
            segment(stage, t, mine, {0, stage.sliced}, thread);
        }
    }

    int loop_members() const {
        const int64_t worth = 1 + loop_work() * steps_ / kWorth;
        const int64_t most = by_units_ ? threads_ : std::min<int64_t>(threads_, batch_);
        return static_cast<int>(std::max<int64_t>(1, std::min<int64_t>(most, worth)));
    }

    int64_t loop_work() const {  // multiplications of one step, more or less
        int64_t work = 0;
        for (int64_t one = 0; one < p_.stage_count; ++one) {
            const UnrolledStage &stage = p_.stages[one];
            if (stage.phase != UNROLLED_LOOP) continue;
            if (stage.kind == UNROLLED_PRODUCT) {
                const Shape s = shape(p_.products[stage.first].matrix);
                work += batch_ * s.depth * s.width;
            } else {
                work += batch_ * stage.count * (stage.sliced ? stage.sliced : p_.widest);
            }
        }
        return work;
    }

    // Units are split where the loop's matrices are too large for one core's cache, or the rows too few to share.
    bool units_by_rule() const {
        if (!loop_has_products_) return batch_ < threads_;
        int64_t bytes = 0;
        for (int64_t one = 0; one < p_.stage_count; ++one)
            if (p_.stages[one].phase == UNROLLED_LOOP && p_.stages[one].kind == UNROLLED_PRODUCT) {
                const Shape s = shape(p_.products[p_.stages[one].first].matrix);
                bytes += s.depth * s.width * int64_t(in_pairs_ ? 2 : sizeof(T));
            }
        return batch_ < 4 * threads_ || bytes > kCoreCache;
    }
    static constexpr int64_t kCoreCache = 768 << 10;

    const UnrolledProgram &p_;
    const UnrolledBuffer *buffers_;
    const void *const *packed_;
    const Kernels<T> &k_;
    const int64_t steps_, batch_;
    const bool backwards_, in_pairs_;
    const int threads_;
    bool by_units_, loop_has_products_;
    int64_t widest_, scratch_size_, tiles_;
    Memory constants_, scratch_;
};

}  // namespace
}  // namespace unrolled

using namespace unrolled;

extern "C" {

int64_t unrolled_packed_size(const UnrolledMatrix *matrix, int32_t type) {
    const bool in_pairs = type == UNROLLED_BFLOAT16, is_double = type == UNROLLED_FLOAT64;
    const Shape s = shape_of(*matrix, is_double ? kernels<double>().panel : kernels<float>().panel, in_pairs);
    return s.all_panels() * s.depth * s.panel * (in_pairs ? 2 : is_double ? 8 : 4);
}

void unrolled_pack(const UnrolledMatrix *matrix, int32_t type, const void *data, void *packed, int32_t threads) {
    const bool in_pairs = type == UNROLLED_BFLOAT16, is_double = type == UNROLLED_FLOAT64;
    const Shape s = shape_of(*matrix, is_double ? kernels<double>().panel : kernels<float>().panel, in_pairs);
    const int members = static_cast<int>(std::min<int64_t>(threads, 1 + s.depth * s.width / 100000));
    run_together(members, [&](int thread) {
        const Range panels = share(s.all_panels(), 1, thread, members);
        if (is_double)
            pack(*matrix, s, static_cast<const double *>(data), static_cast<double *>(packed), false, panels,
                 [](double v) { return v; });
        else if (in_pairs)
            pack(*matrix, s, static_cast<const float *>(data), static_cast<BFloat16 *>(packed), true, panels, narrowed);
        else
            pack(*matrix, s, static_cast<const float *>(data), static_cast<float *>(packed), false, panels,
                 [](float v) { return v; });
    });
}

int32_t unrolled_run(const UnrolledProgram *program, const UnrolledBuffer *buffers, const void *const *packed,
                     int64_t steps, int64_t batch, int32_t backwards, int32_t threads, int32_t split) {
    try {
        if (program->type == UNROLLED_FLOAT64)
            Run<double>(*program, buffers, packed, steps, batch, backwards != 0, threads, split)();
        else
            Run<float>(*program, buffers, packed, steps, batch, backwards != 0, threads, split)();
    } catch (const std::bad_alloc &) {
        return UNROLLED_NO_MEMORY;
    }
    return 0;
}
}
