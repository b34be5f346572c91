// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {StepTest} from "../support/StepTest.sol";
import {Place} from "src/Types.sol";
import {Elements} from "src/libraries/Elements.sol";
import {Layout} from "src/libraries/Layout.sol";
import {Lists} from "src/libraries/Lists.sol";
import {Program} from "src/libraries/Program.sol";
import {Reader} from "src/libraries/Reader.sol";
import {Tree} from "src/libraries/Tree.sol";
import {Prover} from "src/provers/Prover.sol";

/// @notice Products, their lists, and what a witness must not be.
contract ProductsProverTest is StepTest {
    int64[] internal m;
    int64[] internal w;
    int64[] internal scale;
    int64[] internal shifts;
    int64[] internal biases;

    /// @dev A product of R x K with m of either type; node 2, its inputs 0 and 1, constants 0 to 3.
    function _linear(uint8 weights, uint8 mantissas, uint256 rows, uint256 k, uint256 count) internal {
        _item(2, 1);
        int64[][] memory given = _randomRows(2, k, -_most(mantissas), _most(mantissas));
        m = given[1];
        _given(_fixed(mantissas, k), given);
        _given(_fixed(I8, 1), _randomRows(2, 1, 3, 3));
        w = _randomRow(rows * k, -_most(weights), _most(weights));
        scale = _randomRow(rows, 32_768, 65_535);
        shifts = _randomRow(rows, 20, 30);
        biases = _randomRow(rows, -1_000_000, 1_000_000);
        _constant(weights, uint32(rows), uint32(k), w);
        _constant(U16, 1, uint32(rows), scale);
        _constant(I8, 1, uint32(rows), shifts);
        _constant(I32, 1, uint32(rows), biases);
        uint32 n = _node(
            4,
            _u32s(2, 0, 1, 0, 0, 0),
            _u32s(count, 0, 1, 2, 3, 0),
            _i64s(1, 5, 0, 0, 0, 0),
            _fixed(I32, rows)
        );
        _rows(n, _randomRows(2, rows, 0, 0));
        _seal();
        _begin(n);
    }

    function _most(uint8 element) internal pure returns (int256) {
        return element == I8 ? int256(127) : int256(32_639);
    }

    function _partial(uint256 e, uint256 a, uint256 b) internal view returns (int256 acc) {
        for (uint256 i = a; i < b; ++i) {
            acc += int256(w[e * m.length + i]) * m[i];
        }
    }

    function _finished(uint256 e, int256 acc, bool biased) internal view returns (int256 y) {
        y = _sat(_round(acc * scale[e], shifts[e] + 5 - 3));
        if (biased) y = _sat(y + biases[e]);
    }

    function _openTerms(uint256 e, uint256 a, uint256 b) internal {
        _row(0, 1, a, b - a);
        _constantAt(0, e * m.length + a, b - a);
    }

    function _openFinish(uint256 e, uint256 count) internal {
        _row(1, 1, 0, 1);
        for (uint256 k = 1; k < count; ++k) {
            _constantAt(k, e, 1);
        }
    }

    /// @notice All pairs of types, widths that end anywhere, with and without biases.
    function testFuzz_linear(uint256 seed) public {
        uint8 weights = uint8(seed & 1);
        uint8 mantissas = uint8((seed >> 1) & 1);
        uint256 count = 3 + ((seed >> 2) & 1);
        uint256 rows = 1 + (seed >> 8) % 4;
        _linear(weights, mantissas, rows, 1 + (seed >> 16) % 90, count);
        for (uint32 e = 0; e < rows; ++e) {
            _begin(2);
            _openTerms(e, 0, m.length);
            _openFinish(e, count);
            assertEq(_step(1, e), _finished(e, _partial(e, 0, m.length), count == 4));
        }
    }

    /// @notice The most terms of a step, at every width of elements.
    function test_linear_2048Terms_gas() public {
        _linear(I16, I16, 2, 2048, 4);
        _openTerms(1, 0, 2048);
        _openFinish(1, 4);
        assertEq(_step(1, 1), _finished(1, _partial(1, 0, 2048), true));
        _report("linear i16 x i16", 1, 1);
    }

    /// @notice As above with i8.
    function test_linear_2048Terms_i8_gas() public {
        _linear(I8, I16, 2, 2048, 4);
        _openTerms(1, 0, 2048);
        _openFinish(1, 4);
        assertEq(_step(1, 1), _finished(1, _partial(1, 0, 2048), true));
        _report("linear i8 x i16", 1, 1);
    }

    /// @notice A longer product is a list of segments, each a step, and finished from the list.
    function test_linear_list() public {
        _linear(I8, I16, 2, 2600, 4);
        Place memory place = _place(1, 1);
        int64[] memory entries = new int64[](2);
        _begin(2);
        _openTerms(1, 0, 2048);
        entries[0] = int64(_segment(1, 1, 0, 2048));
        assertEq(entries[0], _partial(1, 0, 2048));
        _begin(2);
        _openTerms(1, 2048, 2600);
        entries[1] = int64(_segment(1, 1, 2048, 2600));
        assertEq(entries[1], _partial(1, 2048, 2600));

        _begin(2);
        _openFinish(1, 4);
        (int256 result, uint32 segment, uint32 end) =
            verifier.combine(_traceRoot(), _itemHash(), place, entries, _data(1, 1));
        assertEq(result, _finished(1, _partial(1, 0, 2600), true));
        assertEq(segment, 2048);
        assertEq(end, 2600);

        bytes32 root = _traceRoot();
        bytes32 hash = _itemHash();
        vm.expectRevert(abi.encodeWithSelector(Lists.WrongCount.selector, 1, 2));
        verifier.combine(root, hash, place, new int64[](1), _data(1, 1));
        vm.expectRevert(abi.encodeWithSelector(Prover.TooManyTerms.selector, 2600));
        verifier.step(root, hash, place, 0, _data(1, 1));
        (place.from, place.to) = (0, 2048);
        vm.expectRevert(abi.encodeWithSelector(Prover.TooFewTerms.selector, 2048));
        verifier.combine(root, hash, place, entries, _data(1, 1));
        (place.from, place.to) = (2048, 2601);
        vm.expectRevert(Prover.WrongSegment.selector);
        verifier.step(root, hash, place, 0, _data(1, 1));
        (place.from, place.to) = (5, 5);
        vm.expectRevert(Prover.WrongSegment.selector);
        verifier.step(root, hash, place, 0, _data(1, 1));
        (place.from, place.to) = (5, 0);
        vm.expectRevert(Prover.WrongSegment.selector);
        verifier.step(root, hash, place, 0, _data(1, 1));
    }

    /// @notice Segments of a long reduction: the least power of 128 that gives at most 128 of them.
    function test_lists_segments() public pure {
        assertEq(Lists.segment(4, 2049), 2048);
        assertEq(Lists.segment(4, 128 * 2048), 2048);
        assertEq(Lists.segment(4, 128 * 2048 + 1), 128 * 2048);
        assertEq(Lists.segment(22, 1 << 17), 128 * 512);
        assertEq(Lists.segment(22, 1 << 16), 512);
        assertEq(Lists.segment(26, 1 << 20), 128 * 1024);
    }

    /// @notice Every byte of a witness is committed: another one reverts.
    function testFuzz_witness_tampered_reverts(uint256 at, uint8 flip) public {
        vm.assume(flip != 0);
        _linear(I8, I8, 3, 150, 4);
        _openTerms(2, 0, 150);
        _openFinish(2, 4);
        at %= witness.length;
        witness[at] = bytes1(uint8(witness[at]) ^ flip);
        (bytes32 root, bytes32 hash) = (_traceRoot(), _itemHash());
        vm.expectRevert();
        verifier.step(root, hash, _place(1, 2), 0, _data(1, 2));
    }

    /// @notice A byte of an opened value, and of a sibling.
    function test_witness_tampered_saysNotCommitted() public {
        _linear(I8, I8, 3, 700, 4);
        _openTerms(2, 0, 700);
        _openFinish(2, 4);
        bytes memory whole = witness;
        (bytes32 root, bytes32 hash) = (_traceRoot(), _itemHash());
        uint256[3] memory places = [uint256(0), 1023, whole.length - 1];
        for (uint256 i = 0; i < places.length; ++i) {
            witness = whole;
            witness[places[i]] = bytes1(uint8(witness[places[i]]) ^ 1);
            vm.expectRevert(Reader.NotCommitted.selector);
            verifier.step(root, hash, _place(1, 2), 0, _data(1, 2));
        }
    }

    /// @notice Every shorter witness, and a longer one.
    function test_witness_otherLength_reverts() public {
        _linear(I8, I8, 3, 40, 4);
        _openTerms(2, 0, 40);
        _openFinish(2, 4);
        bytes memory whole = witness;
        (bytes32 root, bytes32 hash) = (_traceRoot(), _itemHash());
        for (uint256 length = 0; length < whole.length; length += 7) {
            bytes memory part = new bytes(length);
            for (uint256 i = 0; i < length; ++i) {
                part[i] = whole[i];
            }
            witness = part;
            vm.expectRevert();
            verifier.step(root, hash, _place(1, 2), 0, _data(1, 2));
        }
        witness = "";
        vm.expectRevert(Reader.ShortWitness.selector);
        verifier.step(root, hash, _place(1, 2), 0, _data(1, 2));
        witness = bytes.concat(whole, hex"00");
        vm.expectRevert(abi.encodeWithSelector(Reader.LeftoverBytes.selector, 1));
        verifier.step(root, hash, _place(1, 2), 0, _data(1, 2));
    }

    /// @notice Another item, model, record or place.
    function test_step_wrongHeaders_revert() public {
        _linear(I8, I8, 3, 40, 4);
        _openTerms(2, 0, 40);
        _openFinish(2, 4);
        (bytes32 root, bytes32 hash) = (_traceRoot(), _itemHash());
        vm.expectRevert(Program.WrongItem.selector);
        verifier.step(root, keccak256("other"), _place(1, 2), 0, _data(1, 2));
        vm.expectRevert(Prover.WrongPlace.selector);
        verifier.step(root, hash, _place(1, 1), 0, _data(1, 2));
        vm.expectRevert(Layout.OutOfShape.selector);
        verifier.step(root, hash, _place(1, 2), 0, _data(1, 3));
        vm.expectRevert(Layout.OutOfShape.selector);
        verifier.step(root, hash, _place(1, 2), 0, _data(2, 2));
        vm.expectRevert(Reader.NotCommitted.selector);
        verifier.step(keccak256("other"), hash, _place(1, 2), 0, _data(1, 2));
        Place memory place = _place(1, 2);
        place.node = 1;
        vm.expectRevert();
        verifier.step(root, hash, place, 0, _data(1, 2));
        place.node = 3;
        vm.expectRevert(Tree.OutOfTree.selector);
        verifier.step(root, hash, place, 0, _data(1, 2));
        item.modelId = keccak256("other");
        hash = _itemHash();
        vm.expectRevert(Program.WrongModel.selector);
        verifier.step(root, hash, _place(1, 2), 0, _data(1, 2));
    }

    /// @notice A constant of another type than products have.
    function test_linear_wrongType_reverts() public {
        _linear(I32, I8, 3, 40, 4);
        _openTerms(2, 0, 40);
        (bytes32 root, bytes32 hash) = (_traceRoot(), _itemHash());
        vm.expectRevert(Elements.WrongType.selector);
        verifier.step(root, hash, _place(1, 2), 0, _data(1, 2));
    }

    /// @notice The transform of every element of two blocks.
    function testFuzz_hadamard(uint8 log) public {
        uint256 size = 2 ** (log % 7);
        _item(1, 1);
        int64[][] memory x = _randomRows(1, 2 * size, type(int32).min, type(int32).max);
        _given(_fixed(I32, 2 * size), x);
        uint32 n = _node(
            16,
            _u32s(1, 0, 0, 0, 0, 0),
            _u32s(0, 0, 0, 0, 0, 0),
            _i64s(2, int64(uint64(size)), 2, 0, 0, 0),
            _fixed(I32, 2 * size)
        );
        _rows(n, x);
        _seal();
        for (uint256 e = 0; e < 2 * size; e += 1 + size / 4) {
            int256 total;
            for (uint256 j = 0; j < size; ++j) {
                uint256 bits = (e % size) & j;
                uint256 ones;
                for (; bits > 0; bits >>= 1) {
                    ones += bits & 1;
                }
                int256 v = x[0][e - e % size + j];
                total += ones % 2 == 0 ? v : -v;
            }
            _begin(n);
            _row(0, 0, e - e % size, size);
            assertEq(_step(0, uint32(e)), _sat(_round(total, 2)));
        }
    }

    /// @notice The longest transform of one step.
    function test_hadamard_2048Terms_gas() public {
        _item(1, 1);
        int64[][] memory x = _randomRows(1, 2048, type(int32).min, type(int32).max);
        _given(_fixed(I32, 2048), x);
        uint32 n = _node(
            16,
            _u32s(1, 0, 0, 0, 0, 0),
            _u32s(0, 0, 0, 0, 0, 0),
            _i64s(2, 2048, 6, 0, 0, 0),
            _fixed(I32, 2048)
        );
        _rows(n, x);
        _seal();
        _begin(n);
        _row(0, 0, 0, 2048);
        _report("hadamard 2048", 0, 1234);
    }
}
