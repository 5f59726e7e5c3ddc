// threads.cpp: the threads of a block as fibers, each run until it waits for others.
//
// Blocks run one after the other. What is undefined on a GPU is an error here: a barrier that some
// threads never reach, a shuffle that names a thread which is not there. `order` chooses who runs
// first (0: the first thread, 1: the last, more: mixed): results must not depend on it.
#include <setjmp.h>
#include <ucontext.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

struct uint3 { unsigned x, y, z; };
struct dim3 { unsigned x, y, z; };
extern "C" {
uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;
}

namespace {
enum State { READY, AT_BARRIER, AT_MEETING, DONE };
const size_t STACK = 128 * 1024;

// A stack is made once and goes from block to block; _longjmp changes stacks without the kernel.
struct Fiber {
  ucontext_t context;
  jmp_buf here;
  char* stack = nullptr;
  bool begun = false;
  State state;
  uint3 index;
  unsigned mask;
};

std::vector<Fiber> fibers(1024);
std::vector<unsigned long long> slots(1024);
std::vector<char> dynamic_memory;
jmp_buf home;
unsigned now, count;
void (*run_body)(void*);
void* run_data;
char message[300], mistake[200];

void wait_as(State state) {
  fibers[now].state = state;
  if (!_setjmp(fibers[now].here)) _longjmp(home, 1);
}

void start() {
  for (;;) {
    run_body(run_data);
    wait_as(DONE);
  }
}

void go_on(Fiber& f) {
  if (_setjmp(home)) return;
  if (f.begun) _longjmp(f.here, 1);
  f.begun = true;
  if (!f.stack) f.stack = (char*)malloc(STACK);
  getcontext(&f.context);
  f.context.uc_stack.ss_sp = f.stack;
  f.context.uc_stack.ss_size = STACK;
  f.context.uc_link = nullptr;
  makecontext(&f.context, start, 0);
  setcontext(&f.context);
}

// Lets the threads of a warp go on that have waited for no one else.
bool meet(unsigned first) {
  bool moved = false;
  for (unsigned i = first; i < first + 32 && i < count; ++i) {
    if (fibers[i].state != AT_MEETING) continue;
    unsigned mask = fibers[i].mask;
    bool all = mask >> (i - first) & 1;
    for (unsigned lane = 0; lane < 32; ++lane)
      if (mask >> lane & 1)
        all = all && first + lane < count && fibers[first + lane].state == AT_MEETING &&
              fibers[first + lane].mask == mask;
    if (!all) continue;
    for (unsigned lane = 0; lane < 32; ++lane)
      if (mask >> lane & 1) fibers[first + lane].state = READY;
    moved = true;
  }
  return moved;
}

// Lets all threads go on from a barrier. False: some are not there.
bool pass() {
  unsigned barrier = 0, done = 0;
  for (unsigned i = 0; i < count; ++i) {
    barrier += fibers[i].state == AT_BARRIER;
    done += fibers[i].state == DONE;
  }
  if (barrier == count) {
    for (unsigned i = 0; i < count; ++i) fibers[i].state = READY;
    return true;
  }
  snprintf(message, sizeof message,
           "block (%u, %u, %u) stands still: of %u threads %u wait at __syncthreads, %u have "
           "ended, the others wait for threads of their warp that are elsewhere or not there",
           blockIdx.x, blockIdx.y, blockIdx.z, count, barrier, done);
  return false;
}

unsigned turn(unsigned i, unsigned n, int order, unsigned stride) {
  if (order == 0) return i;
  if (order == 1) return n - 1 - i;
  return (unsigned)(((unsigned long long)i * stride + order) % n);
}

unsigned coprime(unsigned n) {  // a stride that reaches all of n
  for (unsigned s = 7919 % (n ? n : 1) + 1;; ++s) {
    unsigned a = n, b = s;
    while (b) {
      unsigned rest = a % b;
      a = b;
      b = rest;
    }
    if (a == 1) return s;
  }
}

bool run_block(int order) {
  for (unsigned i = 0; i < count; ++i) {
    Fiber& f = fibers[i];
    f.state = READY;
    f.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
  }
  unsigned warps = (count + 31) / 32, stride = coprime(warps);
  for (;;) {
    // A warp goes as far as it can before another does: what only a barrier orders is found out.
    for (unsigned w = 0; w < warps; ++w) {
      unsigned first = turn(w, warps, order, stride) * 32;
      unsigned lanes = count - first < 32 ? count - first : 32, step = coprime(lanes);
      do {
        for (unsigned i = 0; i < lanes; ++i) {
          now = first + turn(i, lanes, order, step);
          if (fibers[now].state != READY) continue;
          threadIdx = fibers[now].index;
          go_on(fibers[now]);
        }
      } while (meet(first));
    }
    unsigned left = 0;
    for (unsigned i = 0; i < count; ++i) left += fibers[i].state != DONE;
    if (!left) return true;
    if (pass()) continue;
    for (unsigned i = 0; i < count; ++i) fibers[i].begun = false;  // what they were at is dropped
    return false;
  }
}

// What the compiler's checks (-fsanitize) call; all begin with where in the source it is.
struct Source {
  const char* file;
  uint32_t line, column;
};

void found(const void* data, const char* what) {
  if (!mistake[0])
    snprintf(mistake, sizeof mistake, "line %u: %s", ((const Source*)data)->line, what);
}
}  // namespace

extern "C" {
void __ubsan_handle_type_mismatch_v1(void* data, void*) {
  found(data, "an address that is no multiple of what is read or written there");
}
void __ubsan_handle_out_of_bounds(void* data, void*) { found(data, "beyond the end of an array"); }
#define OVERFLOW(name) \
  void __ubsan_handle_##name##_overflow(void* data, void*, void*) { \
    found(data, "a signed integer overflows"); \
  }
OVERFLOW(add)
OVERFLOW(sub)
OVERFLOW(mul)
OVERFLOW(divrem)
OVERFLOW(negate)

// What was found since it was last asked.
const char* cuda_mistake() {
  static char told[sizeof mistake];
  memcpy(told, mistake, sizeof mistake);
  mistake[0] = 0;
  return told[0] ? told : nullptr;
}

unsigned cuda_lane() { return now % 32; }

void __syncthreads() { wait_as(AT_BARRIER); }

void cuda_meet(unsigned mask) {
  fibers[now].mask = mask;
  wait_as(AT_MEETING);
}

// Every thread of the mask gives a value and takes that of lane `from`.
unsigned long long cuda_exchange(unsigned mask, unsigned long long value, int from) {
  unsigned me = now;
  slots[me] = value;
  cuda_meet(mask);
  // The value of a thread that takes no part is whatever it is.
  unsigned long long out = from < 0 || from > 31 || !(mask >> from & 1)
                               ? 0xFFFFFFFFFFFFFFFFull
                               : slots[me / 32 * 32 + from];
  cuda_meet(mask);
  return out;
}

void* cuda_dynamic_shared() { return dynamic_memory.data(); }

const char* cuda_run(void (*body)(void*), void* data, const unsigned* grid, const unsigned* block,
                     unsigned shared, int order) {
  gridDim = {grid[0], grid[1], grid[2]};
  blockDim = {block[0], block[1], block[2]};
  count = block[0] * block[1] * block[2];
  run_body = body;
  run_data = data;
  unsigned blocks = grid[0] * grid[1] * grid[2], stride = coprime(blocks);
  for (unsigned i = 0; i < blocks; ++i) {
    unsigned b = turn(i, blocks, order, stride);
    blockIdx = {b % grid[0], b / grid[0] % grid[1], b / grid[0] / grid[1]};
    dynamic_memory.assign(shared + 16, (char)0xFF);
    if (!run_block(order)) return message;
  }
  return cuda_mistake();
}
}
