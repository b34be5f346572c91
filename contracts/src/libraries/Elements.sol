// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// Elements that were read and proven: packed little-endian bytes in memory, followed by 64 bytes of zeros.
struct Values {
    /// Code of the element type: 0 i8, 1 i16, 2 i32, 3 i64, 4 u16.
    uint256 element;
    /// Bytes of an element.
    uint256 size;
    /// Number of elements.
    uint256 count;
    /// Where the first byte is in memory.
    uint256 start;
}

/// @title Values out of packed bytes
/// @notice Long reductions take a word of memory at a time, as big-endian lanes, the first element in the highest
/// lane: `int256(word) >> 224` is then the first of eight i32, and a shift to the left brings the next one up. The
/// zeros behind the last element let a whole word be read where fewer elements are left.
library Elements {
    /// @dev The least i32 in each of eight lanes.
    uint256 private constant LEAST = 0x8000000080000000800000008000000080000000800000008000000080000000;

    /// @notice Elements of another type than the operation has.
    error WrongType();
    /// @notice An element that was not read.
    error NotRead();

    /// @notice Room for `count` elements of `size` bytes, and the zeros behind them.
    function allocate(uint256 element, uint256 size, uint256 count) internal pure returns (Values memory x) {
        bytes memory room = new bytes(count * size + 64);
        uint256 start;
        assembly ("memory-safe") {
            start := add(room, 32)
        }
        x.element = element;
        x.size = size;
        x.count = count;
        x.start = start;
    }

    /// @notice Element `i`.
    function at(Values memory x, uint256 i) internal pure returns (int256 value) {
        // INVARIANT: only what was read is used.
        if (i >= x.count) revert NotRead();
        (uint256 start, uint256 size, uint256 unsigned_) = (x.start, x.size, x.element == 4 ? 1 : 0);
        // Three exchanges of halves turn eight bytes around; those of the element end up lowest.
        assembly ("memory-safe") {
            let w := shr(192, mload(add(start, mul(i, size))))
            w := or(and(shr(8, w), 0x00ff00ff00ff00ff), shl(8, and(w, 0x00ff00ff00ff00ff)))
            w := or(and(shr(16, w), 0x0000ffff0000ffff), shl(16, and(w, 0x0000ffff0000ffff)))
            w := or(shr(32, w), shl(32, and(w, 0xffffffff)))
            switch unsigned_
            case 0 { value := signextend(sub(size, 1), w) }
            default { value := and(w, 0xffff) }
        }
    }

    /// @notice Refuses elements that are not i32.
    function requireI32(Values memory x) internal pure {
        // INVARIANT: eight elements fill a word.
        if (x.element != 2) revert WrongType();
    }

    /// @notice Refuses elements that are neither i8 nor i16.
    function requireMantissas(Values memory x) internal pure {
        // INVARIANT: a lane of 16 bits holds an element.
        if (x.element > 1) revert WrongType();
    }

    /// @notice The i32 elements i ..< i + 8 in lanes of 32 bits, zeros for those after the last.
    /// @dev i <= count and i32 are the caller's, so the word begins within elements and zeros.
    function lanes32(Values memory x, uint256 i) internal pure returns (uint256 w) {
        uint256 start = x.start;
        assembly ("memory-safe") {
            w := mload(add(start, shl(2, i)))
            let m := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
            w := or(and(shr(8, w), m), shl(8, and(w, m)))
            m := 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff
            w := or(and(shr(16, w), m), shl(16, and(w, m)))
        }
    }

    /// @notice As `lanes32`, the lanes after the last element being the least i32.
    function lanes32OrLeast(Values memory x, uint256 i) internal pure returns (uint256 w) {
        w = lanes32(x, i);
        uint256 rest = x.count - i;
        // The first `rest` lanes stay; of eight and more the shift leaves nothing.
        if (rest < 8) {
            w |= LEAST >> (32 * rest);
        }
    }

    /// @notice The elements i ..< i + 16 in lanes of 16 bits, zeros for those after the last. An i8 is the high byte of
    /// its lane: its value there is 256 times its own.
    /// @dev i <= count and mantissas are the caller's, so the word begins within elements and zeros.
    function lanes16(Values memory x, uint256 i) internal pure returns (uint256 w) {
        (uint256 start, uint256 element) = (x.start, x.element);
        assembly ("memory-safe") {
            switch element
            case 0 {
                // Sixteen bytes move apart by halves: 64, 32, 16 and 8 bits.
                w := shr(128, mload(add(start, i)))
                w := or(shl(64, and(w, shl(64, 0xffffffffffffffff))), and(w, 0xffffffffffffffff))
                w := and(
                    or(shl(32, w), w),
                    0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff
                )
                w := and(
                    or(shl(16, w), w),
                    0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff
                )
                w := and(or(shl(8, w), w), 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff)
                w := shl(8, w)
            }
            default {
                w := mload(add(start, shl(1, i)))
                let m := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
                w := or(and(shr(8, w), m), shl(8, and(w, m)))
            }
        }
    }

    /// @notice Largest of i32 elements.
    function max32(Values memory x) internal pure returns (int256 most) {
        requireI32(x);
        uint256 count = x.count;
        most = type(int32).min;
        for (uint256 i = 0; i < count; i = step(i, 8)) {
            uint256 w = lanes32OrLeast(x, i);
            assembly ("memory-safe") {
                let v := sar(224, w)
                if sgt(v, most) { most := v }
                v := sar(224, shl(32, w))
                if sgt(v, most) { most := v }
                v := sar(224, shl(64, w))
                if sgt(v, most) { most := v }
                v := sar(224, shl(96, w))
                if sgt(v, most) { most := v }
                v := sar(224, shl(128, w))
                if sgt(v, most) { most := v }
                v := sar(224, shl(160, w))
                if sgt(v, most) { most := v }
                v := sar(224, shl(192, w))
                if sgt(v, most) { most := v }
                v := sar(224, shl(224, w))
                if sgt(v, most) { most := v }
            }
        }
    }

    /// @notice i + n for the index i of an element.
    function step(uint256 i, uint256 n) internal pure returns (uint256) {
        // Elements are in memory: their number is far below 2^64.
        unchecked {
            return i + n;
        }
    }

    /// @notice Sum of i32 elements.
    function sum32(Values memory x) internal pure returns (int256 total) {
        requireI32(x);
        uint256 count = x.count;
        // Sums of fewer than 2^20 numbers of 32 bits; lanes after the last are zero.
        for (uint256 i = 0; i < count; i = step(i, 8)) {
            uint256 w = lanes32(x, i);
            assembly ("memory-safe") {
                total := add(total, sar(224, w))
                total := add(total, sar(224, shl(32, w)))
                total := add(total, sar(224, shl(64, w)))
                total := add(total, sar(224, shl(96, w)))
                total := add(total, sar(224, shl(128, w)))
                total := add(total, sar(224, shl(160, w)))
                total := add(total, sar(224, shl(192, w)))
                total := add(total, sar(224, shl(224, w)))
            }
        }
    }

    /// @notice Sum of products of mantissas, sixteen at a time.
    function dot(Values memory x, Values memory y) internal pure returns (int256 total) {
        requireMantissas(x);
        requireMantissas(y);
        // INVARIANT: every element has its partner.
        if (x.count != y.count) revert NotRead();
        uint256 count = x.count;
        // Lanes are below 2^15 in magnitude and products below 2^30; lanes after the last are zero in both.
        for (uint256 i = 0; i < count; i = step(i, 16)) {
            uint256 a = lanes16(x, i);
            uint256 b = lanes16(y, i);
            assembly ("memory-safe") {
                total := add(total, mul(sar(240, a), sar(240, b)))
                total := add(total, mul(sar(240, shl(16, a)), sar(240, shl(16, b))))
                total := add(total, mul(sar(240, shl(32, a)), sar(240, shl(32, b))))
                total := add(total, mul(sar(240, shl(48, a)), sar(240, shl(48, b))))
                total := add(total, mul(sar(240, shl(64, a)), sar(240, shl(64, b))))
                total := add(total, mul(sar(240, shl(80, a)), sar(240, shl(80, b))))
                total := add(total, mul(sar(240, shl(96, a)), sar(240, shl(96, b))))
                total := add(total, mul(sar(240, shl(112, a)), sar(240, shl(112, b))))
                total := add(total, mul(sar(240, shl(128, a)), sar(240, shl(128, b))))
                total := add(total, mul(sar(240, shl(144, a)), sar(240, shl(144, b))))
                total := add(total, mul(sar(240, shl(160, a)), sar(240, shl(160, b))))
                total := add(total, mul(sar(240, shl(176, a)), sar(240, shl(176, b))))
                total := add(total, mul(sar(240, shl(192, a)), sar(240, shl(192, b))))
                total := add(total, mul(sar(240, shl(208, a)), sar(240, shl(208, b))))
                total := add(total, mul(sar(240, shl(224, a)), sar(240, shl(224, b))))
                total := add(total, mul(sar(240, shl(240, a)), sar(240, shl(240, b))))
            }
        }
        // An i8 counted 256 times: every product is a multiple, so the shift loses nothing.
        uint256 excess = (x.element == 0 ? 8 : 0) + (y.element == 0 ? 8 : 0);
        return total >> excess;
    }
}
