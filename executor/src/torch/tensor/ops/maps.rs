//! Maps, groups of neighbours, and the mean over all positions.

use tch::{Kind, TchError, Tensor};

use super::super::math::{Made, divide, divide_by, numbers, sat32, shape};
use super::super::operands::Operands;

/// For each group of rows what is visible from the first row of each part, which sees what all rows of the part see: (parts, seen).
fn masks(x: &Operands<'_>) -> Result<Vec<Tensor>, TchError> {
    let mask = x.mask()?;
    let of = |group: &super::super::rows::Group| {
        let (parts, count) = (group.parts.len() as i64, group.count as i64);
        mask.f_narrow(0, group.first as i64, parts * count)?.f_reshape([parts, count, -1])?.f_select(1, 0)
    };
    x.rows.groups.iter().map(of).collect()
}

/// One row for each part, at each of its rows.
fn spread(x: &Operands<'_>, values: Vec<Tensor>) -> Made {
    let of = |(group, values): (&super::super::rows::Group, Tensor)| {
        let (parts, count, width) = (group.parts.len() as i64, group.count as i64, shape(&values, 1)?);
        values.f_unsqueeze(1)?.f_expand([parts, count, width], false)?.f_reshape([parts * count, width])
    };
    let values: Vec<Tensor> = x.rows.groups.iter().zip(values).map(of).collect::<Result<_, _>>()?;
    Tensor::f_cat(&values, 0)
}

/// y[i] = sat32(divide(sum over all positions of x[i], positions)).
pub(super) fn pool(x: &Operands<'_>) -> Made {
    let mut means = Vec::new();
    for (rows, mask) in x.visible(0)?.iter().zip(masks(x)?) {
        let hidden = mask.f_logical_not()?.f_unsqueeze(2)?;
        let sum = rows.f_masked_fill(&hidden, 0)?.f_sum_dim_intlist([1].as_slice(), false, Kind::Int64)?;
        let positions = mask.f_sum_dim_intlist([1].as_slice(), true, Kind::Int64)?;
        means.push(sat32(&divide(&sum, &positions)?)?);
    }
    spread(x, means)
}

/// y[i] = x[map[i]], of the own row or of all rows one after the other; the filling where there is nothing.
pub(super) fn gather(x: &Operands<'_>, visible: u32, fill: i32) -> Made {
    let map = x.constant(0)?.f_reshape([-1])?;
    let read = |rows: &Tensor, elements: &Tensor| {
        // (parts, elements of all positions), of which a part has its first `elements`.
        let most = shape(rows, 1)?;
        let nothing = map.f_lt(0)?.f_logical_or(&map.f_ge_tensor(elements)?)?;
        rows.f_index_select(1, &map.f_clamp(0, most - 1)?)?.f_masked_fill(&nothing, i64::from(fill))
    };
    if visible == 0 {
        let row = x.own(0)?;
        let width = shape(row, 1)?;
        return read(row, &numbers(&[width], &[1, 1], x.rows.device)?);
    }
    let mut values = Vec::new();
    for (rows, mask) in x.visible(0)?.iter().zip(masks(x)?) {
        let size = rows.size();
        let elements = mask.f_sum_dim_intlist([1].as_slice(), true, Kind::Int64)?.f_mul_scalar(size[2])?;
        values.push(read(&rows.f_reshape([size[0], -1])?, &elements)?);
    }
    spread(x, values)
}

/// y[g] = max of x over group g.
pub(super) fn groupmax(x: &Operands<'_>, groups: u32) -> Made {
    x.groups(0, groups)?.f_amax([-1], false)
}

/// y[g] = sat32(divide(sum of x over group g, elements of a group)).
pub(super) fn groupmean(x: &Operands<'_>, groups: u32) -> Made {
    let parts = x.groups(0, groups)?;
    let sum = parts.f_sum_dim_intlist([-1].as_slice(), false, Kind::Int64)?;
    sat32(&divide_by(&sum, shape(&parts, 2)?)?)
}
