//! Rows of a table by number on any device: the plain path of the embedding.
//!
//! candle's own backward pass adds row after row in one thread a column, which on a GPU takes longer than the rest of a
//! small model's step. Here the rows of the gradient are sorted by number and summed in pairs, then pairs of pairs, all
//! rows of a round at once: as many rounds as the commonest number has bits, the same order of sums every time.

use crate::error::Result;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, Shape, Storage, Tensor, bail};

/// In a list of rows, candle's word for a row of zeros.
const ZEROS: u32 = u32::MAX;

/// Rows of `table` (V, D) by `numbers` (N) u32, each below V: (N, D).
pub fn lookup(table: &Tensor, numbers: &Tensor) -> Result<Tensor> {
    let list: Vec<u32> = numbers.to_vec1()?;
    let rows = table.dim(0)?;
    if let Some(number) = list.iter().find(|number| **number as usize >= rows) {
        let message = format!("embedding: token {number}, but there are {rows}");
        return Err(candle_core::Error::Msg(message).into());
    }
    Ok(table.contiguous()?.apply_op1(Lookup { numbers: numbers.contiguous()?, list })?)
}

struct Lookup {
    /// On the table's device.
    numbers: Tensor,
    list: Vec<u32>,
}

impl Lookup {
    fn shape(&self, table: &Layout) -> candle_core::Result<Shape> {
        Ok(Shape::from((self.list.len(), table.shape().dims2()?.1)))
    }
}

impl CustomOp1 for Lookup {
    fn name(&self) -> &'static str {
        "lookup"
    }

    fn cpu_fwd(&self, table: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (numbers, of_numbers) = self.numbers.storage_and_layout();
        let Storage::Cpu(numbers) = &*numbers else { bail!("lookup: table and numbers are on two devices") };
        Ok((table.index_select(numbers, layout, of_numbers, 0)?, self.shape(layout)?))
    }

    fn cuda_fwd(&self, table: &CudaStorage, layout: &Layout) -> candle_core::Result<(CudaStorage, Shape)> {
        let (numbers, of_numbers) = self.numbers.storage_and_layout();
        let Storage::Cuda(numbers) = &*numbers else { bail!("lookup: table and numbers are on two devices") };
        Ok((table.index_select(numbers, layout, of_numbers, 0)?, self.shape(layout)?))
    }

    fn bwd(&self, table: &Tensor, _: &Tensor, gradient: &Tensor) -> candle_core::Result<Option<Tensor>> {
        Ok(Some(sum_by_number(&gradient.contiguous()?, &self.list, table.dim(0)?)?))
    }
}

/// The rows of `values` (N, D) summed by their `numbers`: (V, D) for numbers below `count` V.
fn sum_by_number(values: &Tensor, numbers: &[u32], count: usize) -> candle_core::Result<Tensor> {
    let take = |values: &Tensor, rows: Vec<u32>| {
        let length = rows.len();
        values.index_select(&Tensor::from_vec(rows, length, values.device())?, 0)
    };
    // The rows of one number stand together in `order`; how many there are of each is in `lengths`.
    let mut order: Vec<u32> = (0..numbers.len() as u32).collect();
    order.sort_by_key(|row| numbers[*row as usize]);
    let groups = order.chunk_by(|a, b| numbers[*a as usize] == numbers[*b as usize]);
    let (found, mut lengths): (Vec<u32>, Vec<usize>) =
        groups.map(|group| (numbers[group[0] as usize], group.len())).unzip();
    let mut sums = values.clone();
    while lengths.iter().any(|length| *length > 1) {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let mut rest = order.as_slice();
        for length in &mut lengths {
            let (group, others) = rest.split_at(*length);
            for pair in group.chunks(2) {
                left.push(pair[0]);
                right.push(pair.get(1).copied().unwrap_or(ZEROS));
            }
            (rest, *length) = (others, group.len().div_ceil(2));
        }
        order = (0..left.len() as u32).collect();
        sums = (take(&sums, left)? + take(&sums, right)?)?;
    }
    let mut places = vec![ZEROS; count];
    for (number, row) in found.iter().zip(order) {
        places[*number as usize] = row;
    }
    take(&sums, places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;
    use candle_core::Device;

    #[test]
    fn rows_add_up_by_number() {
        // Row i is (i, 10 i). Number 4 has the rows 1, 2, 4, 5 and 6, number 0 row 0, number 2 row 3; 1 and 3 none.
        let rows: Vec<f64> = (0..7).flat_map(|i| [f64::from(i), 10.0 * f64::from(i)]).collect();
        let values = Tensor::from_vec(rows, (7, 2), &Device::Cpu).unwrap();
        let sums = sum_by_number(&values, &[0, 4, 4, 2, 4, 4, 4], 5).unwrap().to_vec2::<f64>().unwrap();
        assert_eq!(sums, [[0.0, 0.0], [0.0, 0.0], [3.0, 30.0], [0.0, 0.0], [18.0, 180.0]]);
    }

    #[test]
    fn as_candle_adds_them() {
        let (n, v, d) = (301, 37, 5);
        let numbers: Vec<u32> = (0..n).map(|i| Key::new(1).below(i, v).min(Key::new(2).below(i, v)) as u32).collect();
        let values = Tensor::from_vec(Key::new(3).normals(n as usize * d, 1.0), (n as usize, d), &Device::Cpu).unwrap();
        let list = Tensor::new(numbers.as_slice(), &Device::Cpu).unwrap();
        let zeros = Tensor::zeros((v as usize, d), values.dtype(), &Device::Cpu).unwrap();
        let expected = zeros.index_add(&list, &values, 0).unwrap();
        let sums = sum_by_number(&values, &numbers, v as usize).unwrap();
        let error = (sums - expected).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(error < 1e-5, "{error}");
    }

    #[test]
    fn a_number_beyond_the_table_is_refused() {
        let table = Tensor::zeros((5, 3), candle_core::DType::F64, &Device::Cpu).unwrap();
        let numbers = Tensor::new(&[0u32, 5], &Device::Cpu).unwrap();
        let message = lookup(&table, &numbers).unwrap_err().to_string();
        assert!(message.contains("token 5, but there are 5"), "{message}");
    }
}
