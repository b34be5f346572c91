// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

// The codes of the operations, section 5 of docs/specification.md. A file of ../ops/ bears each operation's stem.

uint256 constant EMBED = 1;
uint256 constant ROWEXP = 2;
uint256 constant QUANTISE = 3;
uint256 constant LINEAR = 4;
uint256 constant SUMSQ = 5;
uint256 constant RNORM = 6;
uint256 constant NORM = 7;
uint256 constant ROWSUM = 8;
uint256 constant CENTRE = 9;
uint256 constant ADD = 10;
uint256 constant RESCALE = 11;
uint256 constant LUT = 12;
uint256 constant ACT = 13;
uint256 constant GLU = 14;
uint256 constant ROPE = 15;
uint256 constant HADAMARD = 16;
uint256 constant SCORE = 17;
uint256 constant ROWMAX = 18;
uint256 constant EXP2W = 19;
uint256 constant WSUM = 20;
uint256 constant TIMEMAX = 21;
uint256 constant MIX = 22;
uint256 constant POOL = 23;
uint256 constant ARGMAX = 24;
uint256 constant DISTANCE = 25;
uint256 constant HIST = 26;
uint256 constant CUMSUM = 27;
uint256 constant CROSSING = 28;
uint256 constant WEIGH = 29;
uint256 constant KEEP = 30;
uint256 constant BLOCKSUM = 31;
uint256 constant DRAW = 32;
uint256 constant PICK = 33;
uint256 constant GATHER = 34;
uint256 constant CLAMP = 35;
uint256 constant GROUPMAX = 36;
uint256 constant GROUPMEAN = 37;
uint256 constant MUL = 38;
