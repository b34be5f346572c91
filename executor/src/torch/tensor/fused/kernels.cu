// Operations of the specification in one launch each, over the memory of tensors of 64-bit integers. Compiled for a card at
// run time, and for tests as C++ with host.h before it, where a block is a loop. docs/specification.md has the formulas; bounds
// are proved by the validator, so nothing is checked here.

typedef long long i64;

// What a kernel is given: addresses and numbers, in the order that it reads them.
struct Arguments {
    i64 a[16];
};

#ifdef __CUDACC__
#define DEVICE static __device__ inline
// CUDA has functions of some of these names.
#define KERNEL(name) extern "C" __global__ void refute_##name(Arguments arguments)
#define SHARED __shared__
#define BARRIER __syncthreads()
// What each thread of a block does between two barriers.
#define THREADS(t) for (int t = threadIdx.x, once = 1; once; once = 0)
#define BLOCK ((i64)blockIdx.x)
#endif

// Threads of a block.
#define WIDTH 256
#define NUMBER(k) (arguments.a[k])
#define INPUT(type, k) ((const type *)arguments.a[k])
#define OUTPUT(type, k) ((type *)arguments.a[k])
// Element i of `count`, one a thread.
#define ELEMENTS(i, count) \
    THREADS(t) for (i64 i = BLOCK * WIDTH + t; i < (count) && i < (BLOCK + 1) * WIDTH; i += WIDTH)

DEVICE i64 least(i64 a, i64 b) { return a < b ? a : b; }
DEVICE i64 most(i64 a, i64 b) { return a > b ? a : b; }
DEVICE i64 clamped(i64 x, i64 low, i64 high) { return least(most(x, low), high); }
DEVICE i64 sat32(i64 x) { return clamped(x, -2147483648LL, 2147483647LL); }
DEVICE i64 bit_length(i64 x) { return x ? 64 - __clzll(x) : 0; }

// sat32(round_shift(x, s)); what is not 0 leaves 32 bits when shifted by 31 or more.
DEVICE i64 round_shift(i64 x, i64 s) {
    if (s > 0) return sat32((x + (1LL << (s - 1))) >> s);
    return sat32(sat32(x) * (1LL << least(-s, 31)));
}

DEVICE i64 mantissa(i64 x, i64 e, i64 bits) {
    i64 limit = (1LL << (bits - 1)) - 1;
    return clamped(round_shift(x, e), -limit, limit);
}

DEVICE i64 divide(i64 a, i64 b) {
    a += b / 2;
    i64 q = a / b;
    return q - (a % b < 0);
}

// floor(sqrt x), bit by bit.
DEVICE i64 isqrt(i64 x) {
    i64 q = 0;
    for (i64 bit = 1LL << 31; bit; bit >>= 1)
        if ((q + bit) * (q + bit) <= x) q += bit;
    return q;
}

// The reduction of a block's parts into part[0].
#define REDUCE(part, combine)                                                  \
    BARRIER;                                                                   \
    for (int half = WIDTH / 2; half; half /= 2) {                              \
        THREADS(t) if (t < half) part[t] = combine(part[t], part[t + half]);   \
        BARRIER;                                                               \
    }

DEVICE i64 plus(i64 a, i64 b) { return a + b; }

// e[g] = bit_length(max |x|) - (bits - 1); a block for each group of `width`.
KERNEL(rowexp) {
    const i64 *x = INPUT(i64, 0) + BLOCK * NUMBER(2);
    SHARED i64 part[WIDTH];
    THREADS(t) {
        part[t] = 0;
        for (i64 i = t; i < NUMBER(2); i += WIDTH) part[t] = most(part[t], x[i] < 0 ? -x[i] : x[i]);
    }
    REDUCE(part, most)
    THREADS(t) if (t == 0) OUTPUT(i64, 1)[BLOCK] = bit_length(part[0]) - (NUMBER(3) - 1);
}

// m[i] = mantissa(x[i], e[g], bits).
KERNEL(quantise) {
    ELEMENTS(i, NUMBER(5))
        OUTPUT(i64, 2)[i] = mantissa(INPUT(i64, 0)[i], INPUT(i64, 1)[i / NUMBER(3)], NUMBER(4));
}

// s[g] = sum of mantissa(x[i], e[g], 24)^2; a block for each group.
KERNEL(sumsq) {
    const i64 *x = INPUT(i64, 0) + BLOCK * NUMBER(3);
    i64 e = INPUT(i64, 1)[BLOCK];
    SHARED i64 part[WIDTH];
    THREADS(t) {
        part[t] = 0;
        for (i64 i = t; i < NUMBER(3); i += WIDTH) {
            i64 m = mantissa(x[i], e, 24);
            part[t] += m * m;
        }
    }
    REDUCE(part, plus)
    THREADS(t) if (t == 0) OUTPUT(i64, 2)[BLOCK] = part[0];
}

// (r, h)[g]: total = s + round_shift(eps, 2 e + 16) within 1 ..= 2^62 - 1; t = (62 - bit_length(total)) & ~1;
// r = divide(root, isqrt(total * 2^t)); h = t / 2.
KERNEL(rnorm) {
    const i64 highest = (1LL << 62) - 1;
    ELEMENTS(g, NUMBER(5)) {
        i64 eps = NUMBER(3), s = 2 * INPUT(i64, 1)[g] + 16;
        if (s > 0) eps = (eps + (1LL << (s - 1))) >> s;
        else eps = eps > (highest >> -s) ? highest : eps << -s;
        i64 total = clamped(clamped(INPUT(i64, 0)[g], -highest, highest) + least(eps, highest), 1, highest);
        i64 t = (62 - bit_length(total)) & ~1LL;
        OUTPUT(i64, 2)[2 * g] = divide(NUMBER(4), isqrt(total << t));
        OUTPUT(i64, 2)[2 * g + 1] = t / 2;
    }
}

// y = sat32(sat32(round_shift(n * gain, gain_shift)) + bias), n = sat32(round_shift(mantissa(x, e[g], 24) * r[g], shift - h[g])).
KERNEL(norm) {
    const i64 *bias = INPUT(i64, 5);
    ELEMENTS(i, NUMBER(11)) {
        i64 g = i / NUMBER(7), r = INPUT(i64, 2)[2 * g], h = INPUT(i64, 2)[2 * g + 1];
        i64 n = round_shift(mantissa(INPUT(i64, 0)[i], INPUT(i64, 1)[g], 24) * r, NUMBER(8) - h);
        i64 y = round_shift(n * INPUT(i64, 3)[i % NUMBER(4)], NUMBER(9));
        if (bias) y = sat32(y + bias[i % NUMBER(10)]);
        OUTPUT(i64, 6)[i] = y;
    }
}

// Digits of mantissas m (rows, k) as `_int_mm` wants them: (padded rows, columns) of zeros but for m, if it is narrow, or
// m >> 8 and after these (m & 255) - 128.
KERNEL(digits) {
    i64 rows = NUMBER(2), k = NUMBER(3), columns = NUMBER(4), narrow = NUMBER(5);
    ELEMENTS(i, NUMBER(6)) {
        i64 row = i / columns, column = i % columns, digit = 0;
        if (column < k && row < (narrow ? rows : 2 * rows)) {
            i64 m = INPUT(i64, 0)[row % rows * k + column];
            digit = narrow ? m : row < rows ? m >> 8 : (m & 255) - 128;
        }
        OUTPUT(signed char, 1)[i] = (signed char)digit;
    }
}

// y[row][n] = sat32(sat32(round_shift(acc * multiplier[n], shifts[n] + shift - e[row])) + bias[n]), acc from the products of
// digits: of the weights' high digits (or only ones) and, if there are two, of the low ones.
KERNEL(linear) {
    const int *high = INPUT(int, 0), *low = INPUT(int, 1);
    const i64 *bias = INPUT(i64, 6);
    i64 rows = NUMBER(8), n = NUMBER(9), stride = NUMBER(10);
    ELEMENTS(i, rows * n) {
        i64 row = i / n, channel = i % n, acc = 0;
        for (i64 part = 0; part < (NUMBER(11) ? 1 : 2); part++) {
            i64 at = (row + part * rows) * stride + channel;
            i64 sum = low ? 256LL * high[at] + low[at] : high[at];
            acc = 256 * acc + sum;
        }
        if (!NUMBER(11)) acc += 128 * INPUT(i64, 2)[channel];
        i64 s = INPUT(i64, 4)[channel] + NUMBER(12) - INPUT(i64, 5)[row];
        i64 y = round_shift(acc * INPUT(i64, 3)[channel], s);
        if (bias) y = sat32(y + bias[channel]);
        OUTPUT(i64, 7)[i] = y;
    }
}

// Pair (x[i], x[i+p]) of a head turns by the sum of the angles of position >> 8 and position & 255.
KERNEL(rope) {
    i64 width = NUMBER(5), head = NUMBER(6), pairs = NUMBER(7);
    ELEMENTS(i, NUMBER(8)) {
        const i64 *x = INPUT(i64, 0);
        i64 position = INPUT(i64, 1)[i / width], j = i % width % head, y = x[i];
        if (j < 2 * pairs) {
            i64 pair = j % pairs;
            const i64 *upper = INPUT(i64, 2) + (position >> 8) * 2 * pairs + pair;
            const i64 *lower = INPUT(i64, 3) + (position & 255) * 2 * pairs + pair;
            i64 c = round_shift(lower[0] * upper[0] - lower[pairs] * upper[pairs], 29);
            i64 s = round_shift(lower[0] * upper[pairs] + lower[pairs] * upper[0], 29);
            y = j < pairs ? x[i] * c - x[i + pairs] * s : x[i - pairs] * s + x[i] * c;
            y = round_shift(y, 29);
        }
        OUTPUT(i64, 4)[i] = y;
    }
}

// A row of attention: parts (sequences), rows of each, key heads, query heads that share one, and what they are numbered by.
struct Head {
    i64 row, h, g, part;
};

// Products (parts, key heads, count, share, width) by the place i of (rows, heads, width) that they belong to.
DEVICE Head head_of(i64 i, i64 width, i64 count, i64 kv_heads, i64 share) {
    Head at;
    at.h = i / width % (kv_heads * share);
    at.row = i / width / (kv_heads * share);
    at.g = at.h / share;
    at.part = at.row / count;
    return at;
}

DEVICE i64 product_at(Head at, i64 count, i64 kv_heads, i64 share) {
    return ((at.part * kv_heads + at.g) * count + at.row % count) * share + at.h % share;
}

// y[h][s] = sat32(round_shift(acc * multiplier, shift - qe[h] - ke_s[g])).
KERNEL(score) {
    i64 seen = NUMBER(4), count = NUMBER(5), kv_heads = NUMBER(6), share = NUMBER(7);
    ELEMENTS(i, NUMBER(10)) {
        Head at = head_of(i, seen, count, kv_heads, share);
        i64 acc = (i64)INPUT(double, 0)[product_at(at, count, kv_heads, share) * seen + i % seen];
        i64 ke = INPUT(i64, 2)[(at.part * seen + i % seen) * kv_heads + at.g];
        i64 qe = INPUT(i64, 1)[at.row * kv_heads * share + at.h];
        OUTPUT(i64, 3)[i] = round_shift(acc * NUMBER(8), NUMBER(9) - qe - ke);
    }
}

// y = max of each group of visible scores; a block for each.
KERNEL(rowmax) {
    i64 seen = NUMBER(3);
    const i64 *x = INPUT(i64, 0) + BLOCK * seen;
    const unsigned char *mask = INPUT(unsigned char, 1) + BLOCK / NUMBER(4) * seen;
    SHARED i64 part[WIDTH];
    THREADS(t) {
        part[t] = -9223372036854775807LL - 1;
        for (i64 s = t; s < seen; s += WIDTH)
            if (mask[s]) part[t] = most(part[t], x[s]);
    }
    REDUCE(part, most)
    THREADS(t) if (t == 0) OUTPUT(i64, 2)[BLOCK] = part[0];
}

// w = T[(d >> 8) & 4095] >> min(31, d >> 20), d = maximum - score; 0 where nothing is visible.
KERNEL(exp2w) {
    i64 seen = NUMBER(5), groups = NUMBER(6);
    ELEMENTS(i, NUMBER(7)) {
        i64 w = 0;
        if (INPUT(unsigned char, 2)[i / seen / groups * seen + i % seen]) {
            i64 d = INPUT(i64, 1)[i / seen] - INPUT(i64, 0)[i];
            w = INPUT(i64, 3)[(d >> 8) & 4095] >> least(d >> 20, 31);
        }
        OUTPUT(i64, 4)[i] = w;
    }
}

// y[g] = max over the visible s of e_s[g]; a block for each row and g.
KERNEL(timemax) {
    i64 seen = NUMBER(3), width = NUMBER(4), count = NUMBER(5), row = BLOCK / width;
    const i64 *e = INPUT(i64, 0) + row / count * seen * width + BLOCK % width;
    const unsigned char *mask = INPUT(unsigned char, 1) + row * seen;
    SHARED i64 part[WIDTH];
    THREADS(t) {
        part[t] = -9223372036854775807LL - 1;
        for (i64 s = t; s < seen; s += WIDTH)
            if (mask[s]) part[t] = most(part[t], e[s * width]);
    }
    REDUCE(part, most)
    THREADS(t) if (t == 0) OUTPUT(i64, 2)[BLOCK] = part[0];
}

// Weights aligned to the exponents of their values, w >> clamp(top - e, 0, 31), as the upper and the lower 16 bits of each:
// matrices (parts key heads, 2 count share, seen) for the product with the values.
KERNEL(align) {
    i64 seen = NUMBER(4), count = NUMBER(5), kv_heads = NUMBER(6), share = NUMBER(7);
    ELEMENTS(i, NUMBER(8)) {
        Head at = head_of(i, seen, count, kv_heads, share);
        i64 e = INPUT(i64, 2)[(at.part * seen + i % seen) * kv_heads + at.g];
        i64 w = INPUT(i64, 0)[i] >> clamped(INPUT(i64, 1)[at.row * kv_heads + at.g] - e, 0, 31);
        i64 matrix = at.part * kv_heads + at.g, rows = count * share;
        i64 upper = (matrix * 2 * rows + at.row % count * share + at.h % share) * seen + i % seen;
        OUTPUT(double, 3)[upper] = (double)(w >> 16);
        OUTPUT(double, 3)[upper + rows * seen] = (double)(w & 65535);
    }
}

// y = sat32(round_shift(a * r, shift - top[g])): L = bit_length(total), a = floor(acc / 2^(L-16)),
// n = round_shift(total, L - 31), r = floor(2^61 / n).
KERNEL(mix) {
    i64 width = NUMBER(4), count = NUMBER(5), kv_heads = NUMBER(6), share = NUMBER(7);
    ELEMENTS(i, NUMBER(9)) {
        Head at = head_of(i, width, count, kv_heads, share);
        i64 matrix = at.part * kv_heads + at.g, rows = count * share;
        i64 upper = (matrix * 2 * rows + at.row % count * share + at.h % share) * width + i % width;
        // In unsigned numbers, which may wrap on the way: the sum fits.
        i64 acc = (i64)(((unsigned long long)(i64)INPUT(double, 0)[upper] << 16) +
                        (unsigned long long)(i64)INPUT(double, 0)[upper + rows * width]);
        i64 total = INPUT(i64, 1)[at.row * kv_heads * share + at.h], length = bit_length(total), s = length - 31;
        i64 n = s > 0 ? (total + (1LL << (s - 1))) >> s : total;
        i64 mean = (acc >> (length - 16)) * ((1LL << 61) / n);
        OUTPUT(i64, 3)[i] = round_shift(mean, NUMBER(8) - INPUT(i64, 2)[at.row * kv_heads + at.g]);
    }
}

// T(v) with 23 fractional bits; pairs of value and difference.
DEVICE i64 table_value(const i64 *table, i64 v, i64 in_shift) {
    i64 u = clamped(round_shift(v, in_shift) + (1LL << 24), 0, (1LL << 25) - 1);
    return table[2 * (u >> 13)] + round_shift(table[2 * (u >> 13) + 1] * (u & 8191), 13);
}

// y = sat32(round_shift(T(x), shift)), or of x T(x) if it is a factor.
KERNEL(act) {
    ELEMENTS(i, NUMBER(6)) {
        i64 x = INPUT(i64, 0)[i], value = table_value(INPUT(i64, 1), x, NUMBER(3));
        OUTPUT(i64, 2)[i] = round_shift(NUMBER(5) ? x * value : value, NUMBER(4));
    }
}

// y = sat32(round_shift(sat32(round_shift(x T(x), 23)) * u, shift)).
KERNEL(glu) {
    ELEMENTS(i, NUMBER(6)) {
        i64 x = INPUT(i64, 0)[i];
        i64 gate = round_shift(x * table_value(INPUT(i64, 2), x, NUMBER(4)), 23);
        OUTPUT(i64, 3)[i] = round_shift(gate * INPUT(i64, 1)[i], NUMBER(5));
    }
}

// y = sat32(a + b).
KERNEL(add) {
    ELEMENTS(i, NUMBER(3)) OUTPUT(i64, 2)[i] = sat32(INPUT(i64, 0)[i] + INPUT(i64, 1)[i]);
}
