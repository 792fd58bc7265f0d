// Attention of the queries of one picture and head to its keys, scores never leaving the block (spec sections 2 and 4).
//
// Picture b has queries query_starts[b] .. query_starts[b + 1] and keys likewise; a block owns head blockIdx.x of
// picture blockIdx.y. Rows of q, k, v and out lie their stride of elements apart, a head at head * head_dim.
//
// weight_ij = (e_ij + smoothing / keys) / (sum_j e_ij + smoothing), e_ij = exp(score_ij - max_j score_ij) where the
// query may see the key, else 0; the maximum is that of all keys. Without smoothing every key is seen, and this is the
// ordinary softmax.
#pragma once
#include "machine.cuh"

// Which keys a query sees.
enum Sight {
    EVERYTHING = 0,
    EARLIER = 1, // key j <= query i that is kept, or is i
    DROPPED = 2, // keys that are not kept
};

struct Attention {
    const int *query_starts; // [pictures + 1]
    const int *key_starts;   // [pictures + 1]
    const unsigned char *kept; // of all keys, 1 or 0; none: all are
    int sight;
    float smoothing;
    float scale;
    int head_dim;
    int q_stride;
    int kv_stride;
    int out_stride;
};

__device__ inline bool sees(const Attention &attention, const unsigned char *kept, int query, int key) {
    if (attention.sight == EVERYTHING) {
        return true;
    }
    const bool is_kept = kept == nullptr || kept[key] != 0;
    return attention.sight == DROPPED ? !is_kept : key == query || (key < query && is_kept);
}

// In float32, a warp a query: lanes share the keys for scores, then the columns for values. Dynamic shared memory: the
// scores of each warp's query, [warps, most keys].
__device__ inline void attend_plainly(const Attention &attention, const float *q, const float *k, const float *v,
                                      float *out, int most_keys) {
    DYNAMIC_SHARED(shared);
    const int warp = static_cast<int>(threadIdx.x) / WARP;
    const int lane = static_cast<int>(threadIdx.x) % WARP;
    const int warps = static_cast<int>(blockDim.x) / WARP;
    float *weights = reinterpret_cast<float *>(shared) + static_cast<long long>(warp) * most_keys;
    const int first_query = attention.query_starts[blockIdx.y];
    const int queries = attention.query_starts[blockIdx.y + 1] - first_query;
    const int first_key = attention.key_starts[blockIdx.y];
    const int keys = attention.key_starts[blockIdx.y + 1] - first_key;
    const unsigned char *kept = attention.kept == nullptr ? nullptr : attention.kept + first_key;
    const int column = static_cast<int>(blockIdx.x) * attention.head_dim;
    k += static_cast<long long>(first_key) * attention.kv_stride + column;
    v += static_cast<long long>(first_key) * attention.kv_stride + column;
    for (int query = static_cast<int>(blockIdx.z) * warps + warp; query < queries;
         query += warps * static_cast<int>(gridDim.z)) {
        const float *own = q + static_cast<long long>(first_query + query) * attention.q_stride + column;
        float largest = __int_as_float(0xff800000);
        for (int key = lane; key < keys; key += WARP) {
            const float *other = k + static_cast<long long>(key) * attention.kv_stride;
            float score = 0.0f;
            for (int i = 0; i < attention.head_dim; i++) {
                score = fmaf(own[i], other[i], score);
            }
            weights[key] = score * attention.scale;
            largest = fmaxf(largest, weights[key]);
        }
        largest = warp_max(largest);
        float sum = 0.0f;
        for (int key = lane; key < keys; key += WARP) {
            weights[key] = sees(attention, kept, query, key) ? expf(weights[key] - largest) : 0.0f;
            sum += weights[key];
        }
        sum = warp_sum(sum) + attention.smoothing;
        const float shift = attention.smoothing / static_cast<float>(keys);
        for (int key = lane; key < keys; key += WARP) {
            weights[key] = (weights[key] + shift) / sum;
        }
        __syncwarp();
        float *seen = out + static_cast<long long>(first_query + query) * attention.out_stride + column;
        for (int i = lane; i < attention.head_dim; i += WARP) {
            float value = 0.0f;
            for (int key = 0; key < keys; key++) {
                value = fmaf(weights[key], v[static_cast<long long>(key) * attention.kv_stride + i], value);
            }
            seen[i] = value;
        }
        __syncwarp();
    }
}

// On tensor cores, for elements of 16 bits; PADDED is head_dim rounded up to a multiple of 16. Keys and values of the
// head lie in dynamic shared memory, [keys rounded up to 16, PADDED + 8] each (rows apart so that no two rows of a matrix
// share a bank), then the mask. A warp takes 16 queries at a time through the keys twice, 16 keys at a time: for the
// maximum (and, smoothed, the sum), then for the weights and values. Weights are rounded to the elements' type.
template <typename T, int PADDED, bool SMOOTHED>
__device__ void attend(const Attention &attention, const T *q, const T *k, const T *v, T *out, int most_keys) {
    constexpr int PITCH = PADDED + 8;
    constexpr int STEPS = PADDED / 16;
    DYNAMIC_SHARED(shared);
    const int rows = (most_keys + 15) / 16 * 16;
    T *own_k = reinterpret_cast<T *>(shared);
    T *own_v = own_k + rows * PITCH;
    unsigned char *own_kept = reinterpret_cast<unsigned char *>(own_v + rows * PITCH);
    const int first_query = attention.query_starts[blockIdx.y];
    const int queries = attention.query_starts[blockIdx.y + 1] - first_query;
    const int first_key = attention.key_starts[blockIdx.y];
    const int keys = attention.key_starts[blockIdx.y + 1] - first_key;
    const int whole_keys = (keys + 15) / 16 * 16;
    const int column = static_cast<int>(blockIdx.x) * attention.head_dim;
    if (queries == 0) {
        return;
    }
    for (int at = static_cast<int>(threadIdx.x); at < whole_keys * (PADDED / 8); at += static_cast<int>(blockDim.x)) {
        const int key = at / (PADDED / 8);
        const int i = at % (PADDED / 8) * 8;
        const bool zeros = key >= keys || i >= attention.head_dim;
        const long long from =
            zeros ? 0 : static_cast<long long>(first_key + key) * attention.kv_stride + column + i;
        copy_16_bytes(own_k + key * PITCH + i, k + from, zeros);
        copy_16_bytes(own_v + key * PITCH + i, v + from, zeros);
    }
    if (attention.kept != nullptr) {
        for (int key = static_cast<int>(threadIdx.x); key < keys; key += static_cast<int>(blockDim.x)) {
            own_kept[key] = attention.kept[first_key + key];
        }
    } else {
        own_kept = nullptr;
    }
    finish_copies();
    __syncthreads();

    const int lane = static_cast<int>(threadIdx.x) % WARP;
    const int group = lane / 4;
    const int pair = lane % 4 * 2;
    const int warps = static_cast<int>(blockDim.x) / WARP;
    const float shift = attention.smoothing / static_cast<float>(keys);
    // Where this lane's row of four matrices starts: keys by columns, and for values columns by keys.
    const T *k_row = own_k + (lane % 8 + lane / 16 * 8) * PITCH + lane / 8 % 2 * 8;
    const T *v_row = own_v + (lane % 8 + lane / 8 % 2 * 8) * PITCH + lane / 16 * 8;
    for (int tile = static_cast<int>(threadIdx.x) / WARP; tile * 16 < queries; tile += warps) {
        // Rows of the fragments: upper and lower.
        const int query[2] = {tile * 16 + group, tile * 16 + group + 8};
        unsigned own_q[STEPS][4];
#pragma unroll
        for (int step = 0; step < STEPS; step++) {
#pragma unroll
            for (int part = 0; part < 4; part++) {
                const int row = query[part % 2];
                const int i = step * 16 + part / 2 * 8 + pair;
                own_q[step][part] =
                    row < queries && i < attention.head_dim
                        ? *reinterpret_cast<const unsigned *>(
                              q + static_cast<long long>(first_query + row) * attention.q_stride + column + i)
                        : 0u;
            }
        }
        // The scores of 16 queries with 16 keys, two fragments of eight keys.
        auto score = [&](int first, float(&scores)[2][4]) {
#pragma unroll
            for (int step = 0; step < STEPS; step++) {
                unsigned matrices[4];
                load_matrices(matrices, k_row + first * PITCH + step * 16);
                multiply_add(scores[0], own_q[step], matrices[0], matrices[1], T{});
                multiply_add(scores[1], own_q[step], matrices[2], matrices[3], T{});
            }
        };
        float largest[2] = {__int_as_float(0xff800000), __int_as_float(0xff800000)};
        float sum[2] = {0.0f, 0.0f};
        for (int first = 0; first < whole_keys; first += 16) {
            float scores[2][4] = {};
            score(first, scores);
#pragma unroll
            for (int part = 0; part < 8; part++) {
                const int half = part % 4 / 2;
                const int key = first + part / 4 * 8 + pair + part % 2;
                if (key < keys) {
                    const float value = scores[part / 4][part % 4] * attention.scale;
                    if constexpr (SMOOTHED) {
                        const float grown = fmaxf(largest[half], value);
                        // exp(-inf) = 0 the first time.
                        sum[half] *= expf(largest[half] - grown);
                        if (sees(attention, own_kept, query[half], key)) {
                            sum[half] += expf(value - grown);
                        }
                        largest[half] = grown;
                    } else {
                        largest[half] = fmaxf(largest[half], value);
                    }
                }
            }
        }
        float inverse[2];
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float most = largest[half];
            most = fmaxf(most, from_lane_xor(most, 1));
            most = fmaxf(most, from_lane_xor(most, 2));
            if constexpr (SMOOTHED) {
                float all = largest[half] == most ? sum[half] : sum[half] * expf(largest[half] - most);
                all += from_lane_xor(all, 1);
                all += from_lane_xor(all, 2);
                inverse[half] = 1.0f / (all + attention.smoothing);
            }
            largest[half] = most;
        }

        float seen[PADDED / 8][4] = {};
        float total[2] = {0.0f, 0.0f};
        for (int first = 0; first < whole_keys; first += 16) {
            float scores[2][4] = {};
            score(first, scores);
#pragma unroll
            for (int part = 0; part < 8; part++) {
                const int half = part % 4 / 2;
                const int key = first + part / 4 * 8 + pair + part % 2;
                const float value = scores[part / 4][part % 4] * attention.scale;
                float weight = 0.0f;
                if (key < keys) {
                    if constexpr (SMOOTHED) {
                        const bool seen_by = sees(attention, own_kept, query[half], key);
                        weight = ((seen_by ? expf(value - largest[half]) : 0.0f) + shift) * inverse[half];
                    } else {
                        weight = expf(value - largest[half]);
                        total[half] += weight;
                    }
                }
                scores[part / 4][part % 4] = weight;
            }
            const unsigned weights[4] = {
                pair_of<T>(scores[0][0], scores[0][1]), pair_of<T>(scores[0][2], scores[0][3]),
                pair_of<T>(scores[1][0], scores[1][1]), pair_of<T>(scores[1][2], scores[1][3])};
#pragma unroll
            for (int step = 0; step < STEPS; step++) {
                unsigned matrices[4];
                load_matrices_transposed(matrices, v_row + first * PITCH + step * 16);
                multiply_add(seen[2 * step], weights, matrices[0], matrices[1], T{});
                multiply_add(seen[2 * step + 1], weights, matrices[2], matrices[3], T{});
            }
        }
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float all = 1.0f;
            if constexpr (!SMOOTHED) {
                all = total[half];
                all += from_lane_xor(all, 1);
                all += from_lane_xor(all, 2);
                all = 1.0f / all;
            }
            if (query[half] < queries) {
                T *row = out + static_cast<long long>(first_query + query[half]) * attention.out_stride + column;
#pragma unroll
                for (int eight = 0; eight < PADDED / 8; eight++) {
                    const int i = eight * 8 + pair;
                    if (i < attention.head_dim) {
                        *reinterpret_cast<unsigned *>(row + i) =
                            pair_of<T>(seen[eight][2 * half] * all, seen[eight][2 * half + 1] * all);
                    }
                }
            }
        }
    }
}
