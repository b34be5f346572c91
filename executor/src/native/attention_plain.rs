//! temporary
use crate::numerics::bit_length;
pub(super) struct Head { hd: usize, pub k: Vec<i16>, pub ke: Vec<i8>, pub v: Vec<i16>, pub ve: Vec<i8> }
impl Head {
    pub(super) fn new(hd: usize) -> Self { Self { hd, k: vec![], ke: vec![], v: vec![], ve: vec![] } }
    pub(super) fn reserve(&mut self, n: usize) { self.k.resize(n*self.hd,0); self.v.resize(n*self.hd,0); self.ke.resize(n,0); self.ve.resize(n,0); }
    pub(super) unsafe fn write_key(&self, pos: usize, m: &[i16], e: i8) { unsafe { std::ptr::copy_nonoverlapping(m.as_ptr(), (self.k.as_ptr() as *mut i16).add(pos*self.hd), self.hd); *(self.ke.as_ptr() as *mut i8).add(pos) = e; } }
    pub(super) unsafe fn write_value(&self, pos: usize, m: &[i16], e: i8) { unsafe { std::ptr::copy_nonoverlapping(m.as_ptr(), (self.v.as_ptr() as *mut i16).add(pos*self.hd), self.hd); *(self.ve.as_ptr() as *mut i8).add(pos) = e; } }
}
#[derive(Default)]
pub(super) struct Scratch { pub scores: Vec<Vec<i32>>, pub weights: Vec<Vec<i32>>, pub tops: Vec<i32>, pub totals: Vec<i64>, pub vtop: i32 }
fn rs(x: i64, s: i32) -> i64 { crate::numerics::round_shift(x, s).unwrap() }
pub(super) fn attend(h: &Head, q: &[i16], qe: &[i32], range: std::ops::Range<usize>, mult: u32, shift: i32, t: &[i32;4096], mshift: i32, s: &mut Scratch, out: &mut [i32]) {
    let hd = h.hd; let g = q.len()/hd;
    s.scores.resize(g, vec![]); s.weights.resize(g, vec![]); s.tops.resize(g,0); s.totals.resize(g,0);
    s.vtop = range.clone().map(|i| h.ve[i] as i32).max().unwrap();
    for j in 0..g {
        let q = &q[j*hd..][..hd];
        s.scores[j].clear();
        for i in range.clone() { let d: i64 = q.iter().zip(&h.k[i*hd..][..hd]).map(|(a,b)| *a as i64 * *b as i64).sum(); s.scores[j].push(crate::numerics::sat32(rs(d*mult as i64, shift-qe[j]-h.ke[i] as i32))); }
        let top = *s.scores[j].iter().max().unwrap(); s.tops[j]=top;
        s.weights[j] = s.scores[j].iter().map(|x| { let d = top as i64 - *x as i64; t[((d>>8)&4095) as usize] >> (d>>20).min(31) }).collect();
        let total: i64 = s.weights[j].iter().map(|x| *x as i64).sum(); s.totals[j]=total;
        let l = bit_length(total as u64); let n = rs(total, l-31); let r = (1i64<<61)/n;
        for c in 0..hd { let mut acc=0i64; for (k,i) in range.clone().enumerate() { acc += (s.weights[j][k] >> (s.vtop - h.ve[i] as i32).clamp(0,31)) as i64 * h.v[i*hd+c] as i64; }
            let a = acc >> (l-16); out[j*hd+c] = crate::numerics::sat32(rs(a*r, mshift - s.vtop)); }
    }
}
