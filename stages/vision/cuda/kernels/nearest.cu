// From z to the nearest code (spec section 5), in float32.
#include "machine.cuh"

// unit = z / max(|z|, 1e-12) and its squared length, a thread a row. z: [rows, stride], of which width count.
template <typename T>
__device__ void normalise(const T *z, int stride, float *unit, float *squared, int rows, int width) {
    const int row = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (row >= rows) {
        return;
    }
    const T *from = z + static_cast<long long>(row) * stride;
    float *to = unit + static_cast<long long>(row) * width;
    float sum = 0.0f;
    bool finite = true;
    for (int i = 0; i < width; i++) {
        const float value = to_float(from[i]);
        finite = finite && isfinite(value);
        sum = fmaf(value, value, sum);
    }
    const float length = fmaxf(sqrtf(sum), 1e-12f);
    float after = 0.0f;
    for (int i = 0; i < width; i++) {
        const float value = to_float(from[i]) / length;
        to[i] = value;
        after = fmaf(value, value, after);
    }
    squared[row] = finite ? after : __int_as_float(0x7fc00000);
}

constexpr int ROWS = 64;  // z a block
constexpr int CODES = 64; // codes at a time
constexpr int DEPTH = 16; // of their width at a time
constexpr int OWN = 4;    // rows and codes a thread: 16 x 16 threads

// The code of least |z|^2 + |c|^2 - 2 z.c, of equals the lowest, -1 where that is not a number. A block owns ROWS rows,
// goes through all codes CODES at a time, and sums z.c from the first to the last of its width.
// unit: [rows, width], codes: [count, width], code_squared: [count], nearest: [rows].
extern "C" __global__ void __launch_bounds__(256)
    nearest_code(const float *unit, const float *squared, const float *codes, const float *code_squared, int *nearest,
                 int rows, int width, int count) {
    // Two more than are used: neighbours in depth, which are stored together, lie in different banks.
    __shared__ float own_rows[DEPTH][ROWS + 2];
    __shared__ float own_codes[DEPTH][CODES + 2];
    __shared__ float best_distance[16][ROWS];
    __shared__ int best_code[16][ROWS];
    const int across = static_cast<int>(threadIdx.x) % 16; // codes across + 16 j
    const int down = static_cast<int>(threadIdx.x) / 16;   // rows down + 16 i
    const int first_row = static_cast<int>(blockIdx.x) * ROWS;
    float least[OWN];
    int code_of_least[OWN];
    float length[OWN];
    for (int i = 0; i < OWN; i++) {
        const int row = first_row + down + 16 * i;
        least[i] = __int_as_float(0x7f800000);
        code_of_least[i] = -1;
        length[i] = row < rows ? squared[row] : 0.0f;
    }
    for (int first_code = 0; first_code < count; first_code += CODES) {
        float product[OWN][OWN] = {};
        for (int first = 0; first < width; first += DEPTH) {
            for (int at = static_cast<int>(threadIdx.x); at < DEPTH * ROWS; at += 256) {
                const int depth = at % DEPTH;
                const int place = at / DEPTH;
                const bool inside = first + depth < width;
                const long long row = first_row + place;
                const long long code = first_code + place;
                own_rows[depth][place] = inside && row < rows ? unit[row * width + first + depth] : 0.0f;
                own_codes[depth][place] = inside && code < count ? codes[code * width + first + depth] : 0.0f;
            }
            __syncthreads();
            const int most = width - first < DEPTH ? width - first : DEPTH;
            for (int depth = 0; depth < most; depth++) {
                for (int i = 0; i < OWN; i++) {
                    for (int j = 0; j < OWN; j++) {
                        product[i][j] = fmaf(own_rows[depth][down + 16 * i], own_codes[depth][across + 16 * j],
                                             product[i][j]);
                    }
                }
            }
            __syncthreads();
        }
        for (int j = 0; j < OWN; j++) {
            const int code = first_code + across + 16 * j;
            if (code < count) {
                for (int i = 0; i < OWN; i++) {
                    const float distance = length[i] + code_squared[code] - 2.0f * product[i][j];
                    if (distance < least[i]) {
                        least[i] = distance;
                        code_of_least[i] = code;
                    }
                }
            }
        }
    }
    for (int i = 0; i < OWN; i++) {
        best_distance[across][down + 16 * i] = least[i];
        best_code[across][down + 16 * i] = code_of_least[i];
    }
    __syncthreads();
    const int place = static_cast<int>(threadIdx.x);
    if (place < ROWS && first_row + place < rows) {
        float distance = best_distance[0][place];
        int code = best_code[0][place];
        for (int other = 1; other < 16; other++) {
            const bool nearer = best_distance[other][place] < distance;
            const bool equal = best_distance[other][place] == distance;
            if (best_code[other][place] >= 0 && (nearer || code < 0 || (equal && best_code[other][place] < code))) {
                distance = best_distance[other][place];
                code = best_code[other][place];
            }
        }
        nearest[first_row + place] = code;
    }
}

#define KERNELS(T, name)                                                                                               \
    extern "C" __global__ void normalise_##name(const T *z, int stride, float *unit, float *squared, int rows,         \
                                                int width) {                                                           \
        normalise<T>(z, stride, unit, squared, rows, width);                                                           \
    }

KERNELS(float, f32)
KERNELS(bf16, bf16)
KERNELS(f16, f16)
