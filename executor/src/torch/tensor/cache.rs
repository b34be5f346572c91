//! Rows of a node that other positions read, of every sequence, on the device.

use tch::{Device, Kind, TchError, Tensor};

use super::math::{Made, numbers};
use crate::program::ElementType;

/// What elements are kept as.
fn kind(element: ElementType) -> Kind {
    match element {
        ElementType::I8 => Kind::Int8,
        ElementType::I16 => Kind::Int16,
        ElementType::I32 | ElementType::U16 => Kind::Int,
        ElementType::I64 => Kind::Int64,
    }
}

/// The rows of one node: (slots, positions, width), a slot for each open sequence.
#[derive(Debug)]
pub(super) struct Cache {
    rows: Tensor,
}

impl Cache {
    pub(super) fn new(element: ElementType, width: usize, device: Device) -> Result<Self, TchError> {
        Ok(Self { rows: Tensor::f_zeros([0, 0, width as i64], (kind(element), device))? })
    }

    /// Room for so many sequences of so many positions; the rows stay.
    pub(super) fn grow(&mut self, slots: usize, positions: usize) -> Result<(), TchError> {
        let size = self.rows.size();
        let (slots, positions) = (size[0].max(slots as i64), size[1].max(positions as i64));
        if size[..2] == [slots, positions] {
            return Ok(());
        }
        let rows = Tensor::f_zeros([slots, positions, size[2]], (self.rows.kind(), self.rows.device()))?;
        if size[0] > 0 && size[1] > 0 {
            rows.f_narrow(0, 0, size[0])?.f_narrow(1, 0, size[1])?.f_copy_(&self.rows)?;
        }
        self.rows = rows;
        Ok(())
    }

    /// Writes (rows, width) at a slot and a position each, no two of them the same.
    pub(super) fn write(
        &mut self,
        slots: &Tensor,
        positions: &Tensor,
        values: &Tensor,
    ) -> Result<(), TchError> {
        let values = values.f_totype(self.rows.kind())?;
        self.rows.f_index_put_(&[Some(slots), Some(positions)], &values, false).map(drop)
    }

    /// The first `seen` positions of some slots: (slots, seen, width).
    pub(super) fn read(&self, slots: &[i64], seen: i64) -> Made {
        let rows = self.rows.f_narrow(1, 0, seen)?;
        let first = slots.first().copied().unwrap_or(0);
        if slots.iter().copied().eq(first..first + slots.len() as i64) {
            return rows.f_narrow(0, first, slots.len() as i64);
        }
        rows.f_index_select(0, &numbers(slots, &[slots.len() as i64], self.rows.device())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_where_they_are() {
        let mut cache = Cache::new(ElementType::I16, 2, Device::Cpu).unwrap();
        let number = |list: &[i64]| numbers(list, &[list.len() as i64], Device::Cpu).unwrap();
        cache.grow(1, 2).unwrap();
        let rows = numbers(&[1, -2, 3, -32_768], &[2, 2], Device::Cpu).unwrap();
        cache.write(&number(&[0, 0]), &number(&[1, 0]), &rows).unwrap();
        cache.grow(3, 5).unwrap();
        cache.write(&number(&[2]), &number(&[4]), &numbers(&[7, 8], &[1, 2], Device::Cpu).unwrap()).unwrap();
        let read = |slots: &[i64], seen| {
            Vec::<i16>::try_from(&cache.read(slots, seen).unwrap().f_reshape([-1]).unwrap()).unwrap()
        };
        assert_eq!(read(&[0], 2), [3, -32_768, 1, -2]);
        assert_eq!(read(&[2, 0], 5)[8..12], [7, 8, 3, -32_768]);
        assert_eq!(read(&[1, 2], 1), [0; 4]);
    }
}
