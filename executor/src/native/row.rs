//! The row of one node at one position.

use super::loaded::Loaded;
use super::plan::{Cached, Home, Kind};
use super::run::{Part, Row, Task, View};
use super::{gate, rows};
use crate::numerics::{WIDE_LIMIT, bit_length, round_shift, row_exponent};
use crate::program::NodeId;
use crate::program::op::{Index, Op};

impl<'a> Task<'a, '_, '_> {
    /// Computes the row of a node that reads one position.
    pub(super) fn row(&mut self, node: NodeId, i: usize, part: Part<'_>) {
        let isa = self.block.isa;
        let at = &self.block.rows[part.rows[i]];
        let (op, inputs) = {
            let n = &self.block.constants.model.program().nodes[node.index()];
            (n.op, n.inputs.as_slice())
        };
        let loaded = &self.block.constants.nodes[node.index()];
        let x = || self.read::<i32>(inputs[0], i, part);
        match (op, loaded) {
            (Op::Embed { index, shift }, Loaded::Embed { panels, mult, shift: shifts }) => {
                let r = match index {
                    Index::Token => at.token,
                    Index::Position => at.position,
                } as usize;
                let (mult, s) = (i64::from(mult[r]), i32::from(shifts[r]) + shift);
                for (y, w) in self.write::<i32>(node, i, part).iter_mut().zip(panels.row(r)) {
                    *y = crate::numerics::round_shift(i64::from(w) * mult, s)
                        .map_or(0, crate::numerics::sat32);
                }
            }
            (Op::RowExp { bits, groups }, _) => {
                let x = x();
                let width = x.len() / groups as usize;
                for (e, group) in self.write::<i32>(node, i, part).iter_mut().zip(x.chunks_exact(width)) {
                    *e = row_exponent(rows::max_abs(isa, group), bits);
                }
            }
            (Op::Quantise { bits, groups }, _) => {
                let (x, e) = (x(), self.read::<i32>(inputs[1], i, part));
                let out = self.write::<i16>(node, i, part);
                let width = x.len() / groups as usize;
                for ((y, x), e) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(e) {
                    rows::mantissas(isa, x, *e, bits, y);
                }
                self.store(node, i, part, out, e, at);
            }
            (Op::SumSq { groups }, _) => {
                let (x, e) = (x(), self.read::<i32>(inputs[1], i, part));
                let width = x.len() / groups as usize;
                for ((s, x), e) in
                    self.write::<i64>(node, i, part).iter_mut().zip(x.chunks_exact(width)).zip(e)
                {
                    *s = rows::sum_of_squares(isa, x, *e);
                }
            }
            (Op::RNorm { eps, root, .. }, _) => {
                let (s, e) = (self.read::<i64>(inputs[0], i, part), self.read::<i32>(inputs[1], i, part));
                for ((pair, s), e) in self.write::<i64>(node, i, part).chunks_exact_mut(2).zip(s).zip(e) {
                    let (r, h) = reciprocal_root(*s, *e, eps, root);
                    pair.copy_from_slice(&[r, h]);
                }
            }
            (Op::Norm { groups, shift, gain_shift }, Loaded::Norm { gain, bias }) => {
                let (x, e) = (x(), self.read::<i32>(inputs[1], i, part));
                let roots = self.read::<i64>(inputs[2], i, part);
                let out = self.write::<i32>(node, i, part);
                let width = x.len() / groups as usize;
                for (g, (x, y)) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)).enumerate() {
                    let own = |c: &'a [i32]| if c.len() == width { c } else { &c[g * width..][..width] };
                    let (r, h) = (roots[2 * g], roots[2 * g + 1] as i32);
                    rows::norm(isa, x, e[g], r, shift - h, own(gain), gain_shift, y);
                    if let Some(bias) = bias {
                        rows::add_bias(y, own(bias));
                    }
                }
            }
            (Op::RowSum {}, _) => self.write::<i64>(node, i, part)[0] = rows::sum(isa, x()),
            (Op::Centre {}, _) => {
                let (x, total) = (x(), self.read::<i64>(inputs[1], i, part)[0]);
                let n = x.len() as i64;
                rows::centre(isa, x, (total + n / 2).div_euclid(n), self.write::<i32>(node, i, part));
            }
            (Op::Add {}, _) => {
                rows::add(isa, x(), self.read::<i32>(inputs[1], i, part), self.write::<i32>(node, i, part))
            }
            (Op::Rescale { multiplier, shift }, _) => {
                rows::rescale(isa, x(), multiplier, shift, self.write::<i32>(node, i, part));
            }
            (Op::Lut { in_shift, shift }, Loaded::Table(t)) => {
                rows::lut(isa, x(), in_shift, t, shift, self.write::<i32>(node, i, part));
            }
            (Op::Act { in_shift, shift }, Loaded::Table(t)) => {
                rows::act(isa, x(), in_shift, t, shift, self.write::<i32>(node, i, part));
            }
            (Op::Glu { in_shift, shift }, Loaded::Table(t)) => {
                let u = self.read::<i32>(inputs[1], i, part);
                gate::glu(isa, x(), u, in_shift, t, shift, self.write::<i32>(node, i, part));
            }
            (Op::Rope { head_dim }, Loaded::Rope(table)) => {
                let (cosines, sines) = self.block.angles[*table].at(at.position);
                let width = head_dim as usize;
                let out = self.write::<i32>(node, i, part).chunks_exact_mut(width);
                for (y, x) in out.zip(x().chunks_exact(width)) {
                    rows::rope(isa, x, cosines, sines, y);
                }
            }
            (Op::Hadamard { block, shift }, _) => {
                let (x, out) = (x(), self.write::<i32>(node, i, part));
                rows::hadamard(isa, x, block as usize, shift, out, &mut self.own.transform);
            }
            (Op::Gather { fill, .. }, Loaded::Map(map)) if self.holds_mantissas(node) => {
                self.gather(node, i, part, map, (self.read::<i16>(inputs[0], i, part), fill as i16));
                self.pack(node, i, part);
            }
            (Op::Gather { fill, .. }, Loaded::Map(map)) => self.gather(node, i, part, map, (x(), fill)),
            (Op::Clamp { low, high }, _) => {
                rows::clamp(isa, x(), low, high, self.write::<i32>(node, i, part));
            }
            (Op::GroupMax { groups }, _) => {
                let (x, out) = (x(), self.write::<i32>(node, i, part));
                rows::group_max(isa, x, x.len() / groups as usize, out);
            }
            (Op::GroupMean { groups }, _) => {
                let (x, out) = (x(), self.write::<i32>(node, i, part));
                rows::group_mean(isa, x, x.len() / groups as usize, out);
            }
            (Op::Mul { shift }, _) => {
                let (b, out) = (self.read::<i32>(inputs[1], i, part), self.write::<i32>(node, i, part));
                rows::mul(isa, x(), b, shift, out);
            }
            // The plan takes every other operation into another kind of step, and refuses what it does not know.
            _ => debug_assert!(false, "{op:?} is no row operation"),
        }
        self.tap_row(node, i, part);
    }

    /// Is a node's row held as mantissas.
    pub(super) fn holds_mantissas(&self, node: NodeId) -> bool {
        matches!(self.block.plan.slots[node.index()].kind, Kind::I16 | Kind::Packed)
    }

    /// Packs a row of gathered mantissas if products read it.
    pub(super) fn pack(&self, node: NodeId, i: usize, part: Part<'_>) {
        if let Home::Buffer(b) = self.block.plan.slots[node.index()].home
            && let View::Packed(..) = &self.views[b]
        {
            self.pack_groups(b, i, part, self.read::<i16>(node, i, part));
        }
    }

    /// Packs the groups of a row.
    fn pack_groups(&self, buffer: usize, i: usize, part: Part<'_>, m: &[i16]) {
        let View::Packed(packed, groups, width) = &self.views[buffer] else { return };
        let packed = packed.shape(part.rows.len() * groups, *width);
        let first = self.place(buffer, i, part) * groups;
        for (group, m) in m.chunks_exact(*width).enumerate() {
            // SAFETY: this thread alone works on the row.
            unsafe { packed.pack_row(first + group, m) };
        }
    }

    /// Packs mantissas for products, or writes them to the sequence's cache.
    fn store(&self, node: NodeId, i: usize, part: Part<'_>, m: &[i16], e: &[i32], at: &Row) {
        match self.block.plan.slots[node.index()].home {
            Home::Buffer(b) => self.pack_groups(b, i, part, m),
            Home::Cache { attention, what } => {
                let heads = &self.block.sequences[&at.sequence.0].caches[attention];
                let width = m.len() / heads.len();
                for ((head, m), e) in heads.iter().zip(m.chunks_exact(width)).zip(e) {
                    // SAFETY: this thread alone works on the position; room was made for it.
                    unsafe {
                        match what {
                            Cached::Keys => head.write_key(at.position as usize, m, *e),
                            _ => head.write_value(at.position as usize, m, *e),
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

/// The state (r, h) of `rnorm` for one group.
fn reciprocal_root(s: i64, e: i32, eps: i64, root: i64) -> (i64, i64) {
    let eps = round_shift(eps, 2 * e + 16).unwrap_or(i64::MAX);
    let total = s.saturating_add(eps).clamp(1, WIDE_LIMIT - 1) as u64;
    let t = (62 - bit_length(total)) & !1;
    let q = (total << t).isqrt() as i64;
    ((root + q / 2) / q, i64::from(t >> 1))
}
