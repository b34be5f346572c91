// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title The scalar arithmetic that every operation is made of
/// @notice Section 1 of docs/specification.md, in 256 bits. The twin of executor/src/numerics.rs: equal within the
/// domains, and outside of a domain it reverts. A validated program never leaves a domain.
library Numerics {
    /// @notice An operand is outside of the range that the validator proves.
    error OutOfDomain();

    /// @notice Magnitude limit of every wide operand.
    int256 internal constant WIDE = 1 << 62;
    /// @notice The largest shift either way.
    int256 internal constant SHIFT_MAX = 62;
    /// @notice The greatest Fixed, and the power of two that stands for 1.
    int256 internal constant I32_MAX = 2 ** 31 - 1;
    /// @notice The least Fixed.
    int256 internal constant I32_MIN = -(2 ** 31);

    /// @notice x if its magnitude is at most 2^62.
    function wide(int256 x) internal pure returns (int256) {
        // INVARIANT: every operand of rounding and division is within +-2^62.
        if (x > WIDE || x < -WIDE) revert OutOfDomain();
        return x;
    }

    /// @notice `floor((x + 2^(s-1)) / 2^s)` for s > 0, x for 0, `x * 2^-s` clamped to 64 bits for s < 0.
    /// Domain: abs(x) <= 2^62, -62 <= s <= 62.
    function roundShift(int256 x, int256 s) internal pure returns (int256) {
        wide(x);
        // INVARIANT: no shift is longer than 62, so no intermediate has more than 125 bits.
        if (s > SHIFT_MAX || s < -SHIFT_MAX) revert OutOfDomain();
        if (s > 0) return (x + (int256(1) << uint256(s - 1))) >> uint256(s);
        return clamp(x << uint256(-s), type(int64).min, type(int64).max);
    }

    /// @notice a * b. Domain: a result within +-2^62.
    function product(int256 a, int256 b) internal pure returns (int256) {
        return wide(a * b);
    }

    /// @notice a + b. Domain: a result within +-2^62.
    function sum(int256 a, int256 b) internal pure returns (int256) {
        return wide(a + b);
    }

    /// @notice a - b. Domain: a result within +-2^62.
    function difference(int256 a, int256 b) internal pure returns (int256) {
        return wide(a - b);
    }

    /// @notice `floor((a + floor(b / 2)) / b)`. Domain: abs(a) <= 2^62, 1 <= b <= 2^62.
    function divide(int256 a, int256 b) internal pure returns (int256) {
        wide(a);
        // INVARIANT: a divisor is positive, so the remainder's sign is the dividend's.
        if (b < 1 || b > WIDE) revert OutOfDomain();
        int256 n = a + b / 2;
        return n % b < 0 ? n / b - 1 : n / b;
    }

    /// @notice x clamped to low ..= high.
    function clamp(int256 x, int256 low, int256 high) internal pure returns (int256) {
        return x < low ? low : x > high ? high : x;
    }

    /// @notice x clamped to the range of a Fixed.
    function sat32(int256 x) internal pure returns (int256) {
        return clamp(x, I32_MIN, I32_MAX);
    }

    /// @notice `roundShift(x, e)` within +-(2^(bits-1) - 1). Domain: that of `roundShift`, and 2 to 32 bits.
    function mantissa(int256 x, int256 e, int256 bits) internal pure returns (int256) {
        int256 limit = mantissaLimit(bits);
        return clamp(roundShift(x, e), -limit, limit);
    }

    /// @notice The greatest mantissa: `2^(bits-1) - 1`. Domain: 2 to 32 bits.
    function mantissaLimit(int256 bits) internal pure returns (int256) {
        // INVARIANT: mantissas have 2 to 32 bits.
        if (bits < 2 || bits > 32) revert OutOfDomain();
        return int256(uint256(1) << uint256(bits - 1)) - 1;
    }

    /// @notice 0 for 0, else `floor(log2 x) + 1`. Domain: 0 <= x < 2^64.
    function bitLength(int256 x) internal pure returns (int256 n) {
        // INVARIANT: a magnitude has 0 to 64 bits.
        if (x < 0 || x >> 64 != 0) revert OutOfDomain();
        for (uint256 half = 32; half > 0; half >>= 1) {
            if (x >> half != 0) {
                x >>= half;
                n += int256(half);
            }
        }
        return n + x;
    }

    /// @notice `floor(sqrt x)`. Domain: 0 <= x < 2^64.
    function isqrt(int256 x) internal pure returns (int256 root) {
        int256 bits = bitLength(x);
        if (x == 0) return 0;
        // Newton from above the root: it falls until it is the floor.
        int256 next = int256(1) << uint256((bits + 1) / 2);
        do {
            root = next;
            next = (root + x / root) / 2;
        } while (next < root);
    }
}
