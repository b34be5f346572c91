// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {StepTest} from "../support/StepTest.sol";
import {Numerics} from "src/libraries/Numerics.sol";

/// @notice One attention, from mantissas to the mean, against sums written out plainly.
contract AttentionProverTest is StepTest {
    uint256 internal constant HEADS = 4;
    uint256 internal constant KEY_HEADS = 2;
    uint256 internal constant WIDTH = 5;

    uint32 internal constant Q = 0;
    uint32 internal constant QE = 1;
    uint32 internal constant K = 2;
    uint32 internal constant KE = 3;
    uint32 internal constant SCORE = 4;
    uint32 internal constant MAXIMA = 5;
    uint32 internal constant WEIGHTS = 6;
    uint32 internal constant SUMS = 7;
    uint32 internal constant V = 8;
    uint32 internal constant VE = 9;
    uint32 internal constant TOPS = 10;
    uint32 internal constant MIX = 11;

    int64 internal span;
    uint256 internal n;

    function _seen(uint256 t) internal view returns (uint256 first, uint256 count) {
        if (span == 0) return (0, n);
        first = span > 0 && t + 1 > uint64(span) ? t + 1 - uint64(span) : 0;
        count = t + 1 - first;
    }

    function _visible(uint256 groups) internal view returns (bytes16) {
        return _shape(I32, 1, uint32(groups), span, 0, 0);
    }

    /// @dev All nodes of an attention over n positions with given scores and weights: each step is checked on its own.
    function _attention(uint8 mantissas, int64 span_, uint256 n_) internal {
        (span, n) = (span_, n_);
        _item(uint32(n), 1);
        int256 most = mantissas == I8 ? int256(127) : int256(32_767);
        _given(_fixed(I16, HEADS * WIDTH), _randomRows(n, HEADS * WIDTH, -32_767, 32_767));
        _given(_fixed(I8, HEADS), _randomRows(n, HEADS, -4, 4));
        _given(_fixed(mantissas, KEY_HEADS * WIDTH), _randomRows(n, KEY_HEADS * WIDTH, -most, most));
        _given(_fixed(I8, KEY_HEADS), _randomRows(n, KEY_HEADS, -4, 4));
        int64[][] memory scores = new int64[][](n);
        int64[][] memory weights = new int64[][](n);
        for (uint256 t = 0; t < n; ++t) {
            (, uint256 count) = _seen(t);
            scores[t] = _randomRow(HEADS * count, -(1 << 22), 1 << 22);
            weights[t] = _randomRow(HEADS * count, 1 << 30, type(int32).max);
        }
        int64[] memory table = _randomRow(4096, 1 << 30, type(int32).max);
        _constant(I32, 1, 4096, table);
        uint32[] memory none = new uint32[](0);
        int64[] memory bare = new int64[](0);
        _rows(
            _node(17, _u32s(4, Q, QE, K, KE, 0), none, _i64s(5, 4, 2, span, 60_000, 20), _visible(HEADS)),
            scores
        );
        _rows(_node(18, _u32s(1, SCORE, 0, 0, 0, 0), none, bare, _fixed(I32, HEADS)), _maxima(scores));
        _rows(
            _node(19, _u32s(2, SCORE, MAXIMA, 0, 0, 0), _u32s(1, 0, 0, 0, 0, 0), bare, _visible(HEADS)),
            weights
        );
        _rows(_node(20, _u32s(1, WEIGHTS, 0, 0, 0, 0), none, bare, _fixed(I64, HEADS)), _sums(weights));
        _given(_columns(mantissas, KEY_HEADS * WIDTH), _randomRows(n, KEY_HEADS * WIDTH, -most, most));
        _given(_columns(I8, KEY_HEADS), _randomRows(n, KEY_HEADS, -40, 4));
        _rows(
            _node(21, _u32s(1, VE, 0, 0, 0, 0), none, _i64s(1, span, 0, 0, 0, 0), _fixed(I8, KEY_HEADS)),
            _tops()
        );
        _rows(
            _node(
                22,
                _u32s(5, WEIGHTS, SUMS, V, VE, TOPS),
                none,
                _i64s(3, 4, 2, 20, 0, 0),
                _fixed(I32, HEADS * WIDTH)
            ),
            _randomRows(n, HEADS * WIDTH, 0, 0)
        );
        _seal();
    }

    function _maxima(int64[][] memory scores) internal pure returns (int64[][] memory out) {
        out = new int64[][](scores.length);
        for (uint256 t = 0; t < out.length; ++t) {
            out[t] = new int64[](HEADS);
            for (uint256 i = 0; i < scores[t].length; ++i) {
                uint256 h = i * HEADS / scores[t].length;
                if (i % (scores[t].length / HEADS) == 0 || scores[t][i] > out[t][h]) {
                    out[t][h] = scores[t][i];
                }
            }
        }
    }

    function _sums(int64[][] memory weights) internal pure returns (int64[][] memory out) {
        out = new int64[][](weights.length);
        for (uint256 t = 0; t < out.length; ++t) {
            out[t] = new int64[](HEADS);
            for (uint256 i = 0; i < weights[t].length; ++i) {
                out[t][i * HEADS / weights[t].length] += weights[t][i];
            }
        }
    }

    function _tops() internal view returns (int64[][] memory out) {
        out = new int64[][](n);
        for (uint256 t = 0; t < n; ++t) {
            (uint256 first, uint256 count) = _seen(t);
            out[t] = new int64[](KEY_HEADS);
            for (uint256 g = 0; g < KEY_HEADS; ++g) {
                out[t][g] = -128;
                for (uint256 s = first; s < first + count; ++s) {
                    if (nodes[VE].rows[s][g] > out[t][g]) out[t][g] = nodes[VE].rows[s][g];
                }
            }
        }
    }

    function _wantMix(uint256 t, uint256 e) internal view returns (int256) {
        (uint256 first, uint256 count) = _seen(t);
        uint256 h = e / WIDTH;
        uint256 g = h / 2;
        int256 top = nodes[TOPS].rows[t][g];
        int256 acc;
        for (uint256 s = 0; s < count; ++s) {
            int256 right = top - nodes[VE].rows[first + s][g];
            if (right > 31) right = 31;
            acc += (int256(nodes[WEIGHTS].rows[t][h * count + s]) >> uint256(right))
                * nodes[V].rows[first + s][g * WIDTH + e % WIDTH];
        }
        int256 total = nodes[SUMS].rows[t][h];
        uint256 length;
        while (total >> length != 0) ++length;
        int256 r = (1 << 61) / _round(total, int256(length) - 31);
        return _sat(_round((acc >> (length - 16)) * r, 20 - top));
    }

    function _checkPosition(uint32 t) internal {
        (uint256 first, uint256 count) = _seen(t);
        uint32 e = uint32(uint64(_random(0, int256(HEADS * count - 1))));
        uint256 h = e / count;
        uint256 s = first + e % count;
        _begin(SCORE);
        _row(0, t, h * WIDTH, WIDTH);
        _row(2, s, (h / 2) * WIDTH, WIDTH);
        _row(1, t, h, 1);
        _row(3, s, h / 2, 1);
        int256 dot;
        for (uint256 i = 0; i < WIDTH; ++i) {
            dot += int256(nodes[Q].rows[t][h * WIDTH + i]) * nodes[K].rows[s][(h / 2) * WIDTH + i];
        }
        assertEq(
            _step(t, e), _sat(_round(dot * 60_000, 20 - nodes[QE].rows[t][h] - nodes[KE].rows[s][h / 2]))
        );

        _begin(MAXIMA);
        _row(0, t, h * count, count);
        assertEq(_step(t, uint32(h)), nodes[MAXIMA].rows[t][h]);

        _begin(WEIGHTS);
        _row(0, t, e, 1);
        _row(1, t, h, 1);
        uint256 d = uint256(int256(nodes[MAXIMA].rows[t][h] - nodes[SCORE].rows[t][e]));
        _constantAt(0, (d >> 8) & 4095, 1);
        assertEq(_step(t, e), _table((d >> 8) & 4095) >> (d >> 20 > 31 ? 31 : d >> 20));

        _begin(SUMS);
        _row(0, t, h * count, count);
        assertEq(_step(t, uint32(h)), nodes[SUMS].rows[t][h]);

        _begin(TOPS);
        _column(0, h / 2, first, count);
        assertEq(_step(t, uint32(h / 2)), nodes[TOPS].rows[t][h / 2]);

        e = uint32(uint64(_random(0, int256(HEADS * WIDTH - 1))));
        _openMix(t, e, first, count);
        assertEq(_step(t, e), _wantMix(t, e));
    }

    function _openMix(uint256 t, uint256 e, uint256 first, uint256 count) internal {
        uint256 h = e / WIDTH;
        _begin(MIX);
        _row(0, t, h * count, count);
        _row(4, t, h / 2, 1);
        _column(3, h / 2, first, count);
        _column(2, (h / 2) * WIDTH + e % WIDTH, first, count);
        _row(1, t, h, 1);
        _row(4, t, h / 2, 1);
    }

    function _table(uint256 i) internal view returns (int256 v) {
        bytes memory data = constants[0].data;
        for (uint256 k = 4; k > 0; --k) {
            v = (v << 8) | int256(uint256(uint8(data[4 * i + k - 1])));
        }
    }

    /// @notice Keys and values of 16 bits, every position so far.
    function test_attention_causal() public {
        _attention(I16, -1, 7);
        for (uint32 t = 0; t < 7; ++t) {
            _checkPosition(t);
        }
    }

    /// @notice Keys and values of 8 bits, three positions.
    function test_attention_window() public {
        _attention(I8, 3, 7);
        for (uint32 t = 0; t < 7; ++t) {
            _checkPosition(t);
        }
    }

    /// @notice All positions, and so many that values take several blocks.
    function test_attention_all() public {
        _attention(I16, 0, 60);
        for (uint32 t = 0; t < 60; t += 17) {
            _checkPosition(t);
        }
    }

    /// @notice The largest step, across blocks of columns, within a window.
    function test_mix_512Terms_gas() public {
        (span, n) = (512, 700);
        _item(uint32(n), 1);
        bytes16 shape = _shape(I32, 1, 1, span, 1, 0);
        int64[][] memory weights = _randomRows(1, 512, 1 << 30, type(int32).max);
        int64[][] memory total = new int64[][](1);
        total[0] = new int64[](1);
        for (uint256 i = 0; i < 512; ++i) {
            total[0][0] += weights[0][i];
        }
        _given(shape, weights);
        _given(_shape(I64, 0, 1, 0, 1, 0), total);
        _given(_columns(I16, 2), _randomRows(n, 2, -32_767, 32_767));
        _given(_columns(I8, 1), _randomRows(n, 1, -4, 4));
        _given(_shape(I8, 0, 1, 0, 1, 0), _randomRows(1, 1, 4, 4));
        uint32 node = _node(
            22, _u32s(5, 0, 1, 2, 3, 4), new uint32[](0), _i64s(3, 1, 1, 50, 0, 0), _shape(I32, 0, 2, 0, 1, 0)
        );
        _rows(node, _randomRows(1, 2, 0, 0));
        for (uint256 i = 0; i < nodes.length; ++i) {
            if (i != 2 && i != 3) nodes[i].first = 699;
        }
        _seal();
        _begin(node);
        _row(0, 699, 0, 512);
        _row(4, 699, 0, 1);
        _column(3, 0, 188, 512);
        _column(2, 1, 188, 512);
        _row(1, 699, 0, 1);
        _row(4, 699, 0, 1);
        _report("mix 512", 699, 1);
    }

    /// @notice A score above its row's maximum leaves the domain.
    function test_exp2w_negativeDistance_reverts() public {
        _attention(I16, -1, 3);
        nodes[MAXIMA].rows[2][1] = -(1 << 23);
        _seal();
        _begin(WEIGHTS);
        _row(0, 2, 3, 1);
        _row(1, 2, 1, 1);
        uint256 d = uint256(int256(nodes[MAXIMA].rows[2][1]) - nodes[SCORE].rows[2][3]);
        _constantAt(0, (d >> 8) & 4095, 1);
        (bytes32 root, bytes32 hash) = (_traceRoot(), _itemHash());
        vm.expectRevert(Numerics.OutOfDomain.selector);
        verifier.step(root, hash, _place(2, 3), 0, _data(2, 3));
    }
}
