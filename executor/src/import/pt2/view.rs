//! Values while a program is read: what PyTorch calls a tensor is a view, an index map over what a step gives.
//!
//! Reshaping, transposing, slicing and expanding only make another map. A map costs nothing until a product or a pool
//! needs its elements in order: then it becomes one `gather`, or none if the order is already that of the step.

use std::rc::Rc;

use super::weights::Stored;
use crate::import::graph::StepId;

/// Most elements of a map: those of a row.
pub(super) const ELEMENTS_MAX: usize = 1 << 20;

/// A dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// So many.
    Fixed(usize),
    /// As many as the sequence has positions. Within one position's row it counts as 1.
    Length,
}

impl Size {
    /// Elements along it in the row of one position.
    pub(super) fn own(self) -> usize {
        match self {
            Self::Fixed(n) => n,
            Self::Length => 1,
        }
    }
}

/// What the elements of a view are taken from.
#[derive(Clone, Debug)]
pub(super) enum Base {
    /// A step's row.
    Step(StepId),
    /// The numbers of the input, one a token, each times `scale` plus `offset`.
    Numbers { scale: f64, offset: f64 },
    /// The input's token ids.
    Tokens,
    /// 0, 1, 2, ... along the sequence.
    Positions,
    /// A stored tensor by its name.
    Stored(String, Stored),
    /// Values that are known.
    Known(Rc<[f64]>),
    /// The Euclidean length of the row of a view (with what it is never less than).
    Norm(Box<View>, f64),
    /// The sum of a view along the sequence.
    Sum(Box<View>),
    /// The number of positions.
    Count,
}

/// A tensor: sizes, and for each element, in order, its place in the base.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) base: Base,
    pub(super) sizes: Vec<Size>,
    /// None: element i is the base's element i.
    pub(super) map: Option<Rc<[u32]>>,
}

impl View {
    /// The base as it is.
    pub(super) fn whole(base: Base, sizes: Vec<Size>) -> Self {
        Self { base, sizes, map: None }
    }

    /// One known value everywhere.
    pub(super) fn uniform(value: f64, sizes: Vec<Size>) -> Result<Self, String> {
        let map = vec![0; elements(&sizes)?];
        Ok(Self { base: Base::Known(Rc::new([value])), sizes, map: Some(map.into()) })
    }

    /// Elements in the row of one position.
    pub(super) fn len(&self) -> usize {
        self.sizes.iter().map(|size| size.own()).product()
    }

    /// Where the sequence runs, if it does.
    pub(super) fn length_axis(&self) -> Option<usize> {
        self.sizes.iter().position(|size| *size == Size::Length)
    }

    /// Place in the base of element `i`.
    pub(super) fn place(&self, i: usize) -> usize {
        match &self.map {
            None => i,
            Some(map) => map.get(i).map_or(0, |at| *at as usize),
        }
    }

    /// The same elements in another order: element i is element `order[i]` of this view.
    fn reordered(&self, sizes: Vec<Size>, order: impl Iterator<Item = usize>) -> Result<Self, String> {
        let mut map = Vec::with_capacity(elements(&sizes)?);
        for i in order {
            map.push(u32::try_from(self.place(i)).map_err(|_| "a view of too many elements".to_string())?);
        }
        let whole = self.map.is_none() && map.len() == self.len();
        let same = whole && map.iter().enumerate().all(|(i, at)| i == *at as usize);
        Ok(Self { base: self.base.clone(), sizes, map: if same { None } else { Some(map.into()) } })
    }

    /// Dimensions in another order.
    pub(super) fn permuted(&self, axes: &[usize]) -> Result<Self, String> {
        let mut seen = vec![false; self.sizes.len()];
        axes.iter().for_each(|axis| seen.get_mut(*axis).into_iter().for_each(|s| *s = true));
        if axes.len() != self.sizes.len() || seen.contains(&false) {
            return Err(format!("{axes:?} is no order of {} dimensions", self.sizes.len()));
        }
        if let (Base::Stored(name, stored), None) = (&self.base, &self.map) {
            let mut turned = stored.clone();
            turned.sizes = axes.iter().map(|axis| stored.sizes[*axis]).collect();
            turned.strides = axes.iter().map(|axis| stored.strides[*axis]).collect();
            let sizes = turned.sizes.iter().map(|n| Size::Fixed(*n)).collect();
            return Ok(Self::whole(Base::Stored(format!("{name} permuted {axes:?}"), turned), sizes));
        }
        let strides = strides(&self.sizes);
        let sizes: Vec<Size> = axes.iter().map(|axis| self.sizes[*axis]).collect();
        let steps: Vec<usize> = axes.iter().map(|axis| strides[*axis]).collect();
        self.walk(sizes, &steps, 0)
    }

    /// The view whose element at each index is that at `offset` plus the index times `steps`.
    fn walk(&self, sizes: Vec<Size>, steps: &[usize], offset: usize) -> Result<Self, String> {
        let own: Vec<usize> = sizes.iter().map(|size| size.own()).collect();
        let count = elements(&sizes)?;
        let at = |mut i: usize| {
            own.iter().zip(steps).rev().fold(offset, |at, (size, step)| {
                let within = i % size;
                i /= size;
                at + within * step
            })
        };
        self.reordered(sizes, (0..count).map(at))
    }

    /// Other sizes over the same elements. The sequence must stay a dimension of its own.
    pub(super) fn reshaped(&self, wanted: &[Option<Size>]) -> Result<Self, String> {
        let total = self.len();
        let known = wanted.iter().flatten().try_fold(1usize, |n, size| n.checked_mul(size.own()));
        let known = known.filter(|n| *n <= total).ok_or_else(|| format!("{total} elements are too few"))?;
        let has_length = wanted.contains(&Some(Size::Length));
        let open = wanted.iter().filter(|size| size.is_none()).count();
        let rest = total.checked_div(known).unwrap_or(0);
        let inferred = match (self.length_axis(), has_length) {
            (Some(_), false) if rest == 1 => Size::Length,
            (Some(_), false) => return Err("it would mix the positions of a sequence".into()),
            _ => Size::Fixed(rest),
        };
        let sizes: Vec<Size> = wanted.iter().map(|size| size.unwrap_or(inferred)).collect();
        let before = |sizes: &[Size]| -> Option<usize> {
            let axis = sizes.iter().position(|size| *size == Size::Length)?;
            Some(sizes.iter().take(axis).map(|size| size.own()).product())
        };
        let lengths = |sizes: &[Size]| sizes.iter().filter(|size| **size == Size::Length).count();
        let own: usize = sizes.iter().map(|size| size.own()).product();
        if open > 1 || own != total || lengths(&sizes) != lengths(&self.sizes) {
            return Err(format!("{total} elements have no shape {}", shape_text(&sizes)));
        }
        if before(&sizes) != before(&self.sizes) {
            return Err("it would mix the positions of a sequence".into());
        }
        Ok(Self { sizes, ..self.clone() })
    }

    /// `count` indices of a dimension from `start`, every `step`-th.
    pub(super) fn sliced(
        &self,
        axis: usize,
        start: usize,
        count: usize,
        step: usize,
    ) -> Result<Self, String> {
        let strides = strides(&self.sizes);
        let fits = count.checked_sub(1).and_then(|n| n.checked_mul(step)).and_then(|n| n.checked_add(start));
        if self.sizes[axis] == Size::Length || fits.is_none_or(|last| last >= self.sizes[axis].own()) {
            return Err(format!("{count} indices of dimension {axis} from {start} on are not there"));
        }
        let mut sizes = self.sizes.clone();
        sizes[axis] = Size::Fixed(count);
        let mut steps = strides.clone();
        steps[axis] *= step;
        self.walk(sizes, &steps, start * strides[axis])
    }

    /// Without a dimension of one element.
    pub(super) fn dropped(&self, axis: usize) -> Self {
        let mut sizes = self.sizes.clone();
        sizes.remove(axis);
        Self { sizes, ..self.clone() }
    }

    /// Dimensions of one element repeated, new ones in front.
    pub(super) fn expanded(&self, wanted: &[Size]) -> Result<Self, String> {
        let new = wanted.len().checked_sub(self.sizes.len()).ok_or("fewer dimensions than before")?;
        let strides = strides(&self.sizes);
        let mut steps = vec![0; wanted.len()];
        for (axis, size) in self.sizes.iter().enumerate() {
            let to = wanted[new + axis];
            if *size == to {
                steps[new + axis] = strides[axis];
            } else if *size != Size::Fixed(1) {
                return Err(format!("{} does not expand to {}", shape_text(&self.sizes), shape_text(wanted)));
            }
        }
        if wanted == self.sizes {
            return Ok(self.clone());
        }
        self.walk(wanted.to_vec(), &steps, 0)
    }
}

/// Elements in the row of one position, if they are not too many.
pub(super) fn elements(sizes: &[Size]) -> Result<usize, String> {
    let count = sizes.iter().try_fold(1usize, |n, size| n.checked_mul(size.own()));
    count.filter(|n| (1..=ELEMENTS_MAX).contains(n)).ok_or_else(|| {
        format!("a view of shape {}; 1 to {ELEMENTS_MAX} elements are accepted", shape_text(sizes))
    })
}

/// The shape that two views have together.
pub(super) fn broadcast(a: &[Size], b: &[Size]) -> Result<Vec<Size>, String> {
    let dimensions = a.len().max(b.len());
    let at = |sizes: &[Size], axis: usize| {
        (axis + sizes.len()).checked_sub(dimensions).map_or(Size::Fixed(1), |axis| sizes[axis])
    };
    let joined = (0..dimensions).map(|axis| match (at(a, axis), at(b, axis)) {
        (x, y) if x == y => Ok(x),
        (Size::Fixed(1), y) => Ok(y),
        (x, Size::Fixed(1)) => Ok(x),
        _ => Err(format!("shapes {} and {} do not go together", shape_text(a), shape_text(b))),
    });
    joined.collect()
}

fn strides(sizes: &[Size]) -> Vec<usize> {
    let mut strides = vec![1; sizes.len()];
    for axis in (1..sizes.len()).rev() {
        strides[axis - 1] = strides[axis] * sizes[axis].own();
    }
    strides
}

/// A shape in words.
pub(super) fn shape_text(sizes: &[Size]) -> String {
    let one = |size: &Size| match size {
        Size::Fixed(n) => n.to_string(),
        Size::Length => "length".to_string(),
    };
    format!("[{}]", sizes.iter().map(one).collect::<Vec<_>>().join(", "))
}
