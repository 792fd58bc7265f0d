// Launches of emulated kernels (emulation.h), by the names that the PTX has. Built by the tests into one library.
#include "machine.cuh"

#include <setjmp.h>
#include <ucontext.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "elementwise.cu"
#undef KERNELS
#include "nearest.cu"
#undef KERNELS
#include "norm.cu"
#undef KERNELS
#include "pixels.cu"
#undef KERNELS
#include "selector.cu"
#include "attention.cu"
#define HEAD 16
#include "attention_tensor.cu"
#undef HEAD
#undef KERNEL
#undef BLOCKS
#undef JOIN
#undef NAME
#define HEAD 96
#include "attention_tensor.cu"

namespace emulated {

Place3 thread, block, threads, blocks;
unsigned char *dynamic_shared;
unsigned char (*exchange)[64];

namespace {

enum class Wait { NONE, WARP, BLOCK, ENDED };

// Entered once by its context, and then by jumps: those ask the kernel for nothing.
struct Fiber {
    ucontext_t context;
    std::vector<unsigned char> stack;
    jmp_buf place;
    bool entered;
    Wait wait;
};

std::vector<Fiber> fibers;
jmp_buf scheduler;
unsigned running;
std::function<void()> body;

void wait_for(Wait others) {
    fibers[running].wait = others;
    if (_setjmp(fibers[running].place) == 0) {
        _longjmp(scheduler, 1);
    }
}

void enter() {
    body();
    fibers[running].wait = Wait::ENDED;
    _longjmp(scheduler, 1);
}

// Lets the running fiber go on until it waits or ends.
void resume() {
    Fiber &fiber = fibers[running];
    if (_setjmp(scheduler) != 0) {
        return;
    }
    if (fiber.entered) {
        _longjmp(fiber.place, 1);
    }
    fiber.entered = true;
    setcontext(&fiber.context);
}

// Lets the fibers of a range go on if every one that has not ended waits so.
bool release(unsigned first, unsigned last, Wait wait) {
    bool any = false;
    for (unsigned at = first; at < last; at++) {
        if (fibers[at].wait != wait && fibers[at].wait != Wait::ENDED) {
            return false;
        }
        any = any || fibers[at].wait == wait;
    }
    for (unsigned at = first; at < last; at++) {
        if (fibers[at].wait == wait) {
            fibers[at].wait = Wait::NONE;
        }
    }
    return any;
}

// Runs one block. Returns false if its threads wait for each other for ever.
bool run_block(bool reversed) {
    const unsigned count = threads.x, warp = WARP;
    const auto places = std::make_unique<unsigned char[][64]>(count);
    fibers.resize(count);
    for (Fiber &fiber : fibers) {
        fiber.stack.resize(1 << 16);
        fiber.wait = Wait::NONE;
        fiber.entered = false;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = fiber.stack.size();
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, enter, 0);
    }
    for (;;) {
        bool ran = false, all_ended = true;
        for (unsigned at = 0; at < count; at++) {
            running = reversed ? count - 1 - at : at;
            if (fibers[running].wait == Wait::NONE) {
                thread = {running, 0, 0};
                exchange = places.get() + running / WARP * WARP;
                resume();
                ran = true;
            }
            all_ended = all_ended && fibers[running].wait == Wait::ENDED;
        }
        if (all_ended) {
            return true;
        }
        bool released = release(0, count, Wait::BLOCK);
        for (unsigned first = 0; first < count; first += warp) {
            released = release(first, first + warp < count ? first + warp : count, Wait::WARP) || released;
        }
        if (!ran && !released) {
            return false;
        }
    }
}

using Launch = std::function<void(void **)>;

template <typename... A, std::size_t... I>
Launch unpacked(void (*kernel)(A...), std::index_sequence<I...>) {
    return [kernel](void **arguments) { kernel(*static_cast<A *>(arguments[I])...); };
}
template <typename... A> Launch kernel(void (*kernel)(A...)) {
    return unpacked(kernel, std::index_sequence_for<A...>{});
}

#define NAMED(name) {#name, kernel(name)}
#define OF_ALL_TYPES(name) NAMED(name##_f32), NAMED(name##_bf16), NAMED(name##_f16)
#define OF_HEAD(head)                                                                                                  \
    NAMED(attend_##head##_bf16), NAMED(attend_##head##_f16), NAMED(attend_smoothed_##head##_bf16),                     \
        NAMED(attend_smoothed_##head##_f16)

const std::map<std::string, Launch> kernels = {
    OF_ALL_TYPES(cut_patches), OF_ALL_TYPES(embed),     OF_ALL_TYPES(add_norm),   OF_ALL_TYPES(gelu),
    OF_ALL_TYPES(tanh),        OF_ALL_TYPES(take_rows), OF_ALL_TYPES(normalise),  NAMED(share_mean),
    NAMED(log_probabilities),  NAMED(nearest_code),     NAMED(attend_f32),        OF_HEAD(16),
    OF_HEAD(96),
};

} // namespace

unsigned lane() {
    return running % WARP;
}
void meet_warp() {
    wait_for(Wait::WARP);
}
void meet_block() {
    wait_for(Wait::BLOCK);
}

} // namespace emulated

// Runs a kernel over a grid, block after block. Returns 0; 1 if there is no such kernel; 2 if its threads wait for each
// other for ever. `arguments` point to the kernel's, as cuLaunchKernel takes them.
extern "C" int emulated_launch(const char *name, const unsigned *grid, unsigned block_threads, unsigned shared_bytes,
                               int reversed, void **arguments) {
    const auto found = emulated::kernels.find(name);
    if (found == emulated::kernels.end()) {
        return 1;
    }
    // Garbage, as a GPU would have it.
    std::vector<unsigned char> shared(shared_bytes + 16, 0xff);
    const auto past = reinterpret_cast<std::uintptr_t>(shared.data()) % 16;
    emulated::dynamic_shared = shared.data() + (16 - past) % 16;
    emulated::threads = {block_threads, 1, 1};
    emulated::blocks = {grid[0], grid[1], grid[2]};
    emulated::body = [&] { found->second(arguments); };
    for (unsigned z = 0; z < grid[2]; z++) {
        for (unsigned y = 0; y < grid[1]; y++) {
            for (unsigned x = 0; x < grid[0]; x++) {
                emulated::block = {x, y, z};
                if (!emulated::run_block(reversed != 0)) {
                    return 2;
                }
            }
        }
    }
    return 0;
}
