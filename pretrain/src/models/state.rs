//! What a model carries from one window to the next.

use crate::error::Result;
use candle_core::Tensor;
use std::collections::BTreeMap;

/// What a model remembers of what it has read, by name; the first axis of each tensor is that of the rows. It leads back to
/// nothing. Empty before the first token, and always of a model that looks at its window alone.
#[derive(Debug, Clone, Default)]
pub struct State(BTreeMap<String, Tensor>);

impl State {
    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.0.get(name)
    }

    /// Adds (or replaces) a tensor.
    pub fn insert(&mut self, name: String, tensor: Tensor) {
        self.0.insert(name, tensor);
    }

    /// All, in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// A copy with these rows, in this order; one may come several times.
    pub fn select(&self, rows: &Tensor) -> Result<State> {
        self.each(|tensor| tensor.index_select(rows, 0))
    }

    /// The first so many rows.
    pub fn first(&self, rows: usize) -> Result<State> {
        self.each(|tensor| tensor.narrow(0, 0, rows)?.contiguous())
    }

    /// The same with zeros in the rows that are not `kept`, as if nothing had been read; nothing at all where none is.
    pub fn only(&self, kept: &[bool]) -> Result<State> {
        if kept.iter().all(|kept| *kept) {
            return Ok(self.clone());
        }
        if !kept.contains(&true) {
            return Ok(State::default());
        }
        let factors: Vec<f32> = kept.iter().map(|kept| f32::from(*kept)).collect();
        self.each(|tensor| {
            let factors =
                Tensor::from_slice(&factors, (factors.len(), 1), tensor.device())?.to_dtype(tensor.dtype())?;
            tensor.broadcast_mul(&factors)
        })
    }

    fn each(&self, of: impl Fn(&Tensor) -> candle_core::Result<Tensor>) -> Result<State> {
        self.0.iter().map(|(name, tensor)| Ok((name.clone(), of(tensor)?))).collect()
    }
}

impl FromIterator<(String, Tensor)> for State {
    fn from_iter<I: IntoIterator<Item = (String, Tensor)>>(tensors: I) -> State {
        State(tensors.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn state() -> State {
        let of = |values: &[f32]| Tensor::from_slice(values, (3, 1), &Device::Cpu).unwrap();
        [("a".to_owned(), of(&[1.0, 2.0, 3.0])), ("b".to_owned(), of(&[4.0, 5.0, 6.0]))].into_iter().collect()
    }

    fn rows(state: &State) -> Vec<Vec<f32>> {
        state.iter().map(|(_, tensor)| tensor.flatten_all().unwrap().to_vec1().unwrap()).collect()
    }

    #[test]
    fn rows_are_chosen_repeated_and_forgotten_in_every_tensor() {
        let state = state();
        let chosen = Tensor::new(&[2u32, 0, 2], &Device::Cpu).unwrap();
        assert_eq!(rows(&state.select(&chosen).unwrap()), [[3.0, 1.0, 3.0], [6.0, 4.0, 6.0]]);
        assert_eq!(rows(&state.first(2).unwrap()), [[1.0, 2.0], [4.0, 5.0]]);
        assert_eq!(rows(&state.only(&[true, false, true]).unwrap()), [[1.0, 0.0, 3.0], [4.0, 0.0, 6.0]]);
        assert_eq!(rows(&state.only(&[true; 3]).unwrap()), rows(&state));
        assert!(state.only(&[false; 3]).unwrap().is_empty() && !state.is_empty());
    }
}
