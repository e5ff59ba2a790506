//! The backward pass with the gradients of variables kept aside.
//!
//! candle adds whatever an operation gives to zeros of its own, so each gradient of a variable is there three times for a
//! moment, and a variable that is used twice, as an embedding that is the head too, has two dense gradients. During
//! [`backward`] the operations of this crate hand the gradients of variables over here instead: each exists once, and
//! what comes later is added in place. Under candle's own `backward` they give them to candle.

use crate::error::Result;
use crate::nn::vector::add;
use candle_core::backprop::GradStore;
use candle_core::{Tensor, TensorId};
use rayon::prelude::*;
use std::cell::RefCell;
use std::collections::HashMap;

/// Elements one task handles.
const CHUNK: usize = 1 << 14;

/// Variables with their gradients, as many numbers as the variable has.
type Collected = HashMap<TensorId, (Tensor, Vec<f32>)>;

thread_local! {
    /// Open while [`backward`] runs; candle calls all operations on the thread it was called on.
    static OPEN: RefCell<Option<Collected>> = const { RefCell::new(None) };
}

/// Gradients of `loss` by all variables that lead to it: those of [`Tensor::backward`], with less memory on the way. A
/// graph goes through it once, since what its forward pass kept is gone after.
pub fn backward(loss: &Tensor) -> Result<GradStore> {
    OPEN.set(Some(Collected::new()));
    let store = loss.backward();
    let collected = OPEN.take().expect("opened above");
    let mut store = store?;
    for (variable, values) in collected.into_values() {
        let own = tensor(&variable, values)?;
        let sum = match store.remove(&variable) {
            Some(other) => (own + other)?,
            None => own,
        };
        store.insert(&variable, sum);
    }
    Ok(store)
}

fn tensor(weight: &Tensor, gradient: Vec<f32>) -> candle_core::Result<Tensor> {
    Tensor::from_vec(gradient, weight.shape(), weight.device())
}

/// What an operation gives candle as its gradient by `weight`: nothing where it could hand it over.
pub(crate) fn of_weight(weight: &Tensor, gradient: Vec<f32>) -> candle_core::Result<Option<Tensor>> {
    OPEN.with_borrow_mut(|open| match open {
        Some(open) if weight.is_variable() => {
            match open.get_mut(&weight.id()) {
                Some((_, sum)) => {
                    let chunks = sum.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
                    chunks.for_each(|(sum, gradient)| add(sum, gradient));
                }
                None => drop(open.insert(weight.id(), (weight.clone(), gradient))),
            }
            Ok(None)
        }
        _ => tensor(weight, gradient).map(Some),
    })
}

/// The same for a gradient that is 0 in most places: `add` adds the others to what was handed over before, or to zeros.
pub(crate) fn of_some(weight: &Tensor, add: impl FnOnce(&mut [f32])) -> candle_core::Result<Option<Tensor>> {
    let before = OPEN.with_borrow_mut(|open| open.as_mut()?.remove(&weight.id()));
    let mut gradient = before.map_or_else(|| vec![0.0; weight.elem_count()], |(_, gradient)| gradient);
    add(&mut gradient);
    of_weight(weight, gradient)
}

/// Takes back what was handed over for a variable.
pub(crate) fn take(variable: &Tensor) -> candle_core::Result<Option<Tensor>> {
    let taken = OPEN.with_borrow_mut(|open| open.as_mut()?.remove(&variable.id()));
    taken.map(|(variable, gradient)| tensor(&variable, gradient)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::normal;
    use crate::nn::{affine, cross_entropy, embedding, linear};
    use crate::precision::Precision::F32;
    use candle_core::{Device, Var};

    #[test]
    fn gradients_are_those_of_candle_and_uses_add_up() {
        let var = |shape: &[usize], seed| Var::from_tensor(&normal(shape, seed)).unwrap();
        // Used once; as embedding and head; by an operation of ours, by one of candle and through a derived tensor.
        let (once, both, often) = (var(&[4, 4], 1), var(&[5, 4], 2), var(&[4, 4], 3));
        let bias = var(&[4], 4);
        let ids = Tensor::new(&[[0u32, 4, 4], [1, 0, 2]], &Device::Cpu).unwrap();
        let loss = || {
            let x = embedding(&ids, &both).unwrap();
            let x = affine(&linear(&x, &once, F32).unwrap(), &often, &bias, F32).unwrap();
            let x = linear(&x, &(often.as_tensor() * 0.5).unwrap(), F32).unwrap();
            let x = (x.broadcast_add(&often.sum(0).unwrap()).unwrap()).flatten(0, 1).unwrap();
            cross_entropy(&x, &both, &[4, 1, 0, 0, 2, 3], None, F32).unwrap().sum
        };
        let (found, expected) = (backward(&loss()).unwrap(), loss().backward().unwrap());
        for (number, var) in [&once, &both, &often, &bias].into_iter().enumerate() {
            let (found, expected) = (found.get(var).unwrap(), expected.get(var).unwrap());
            let most = |x: &Tensor| x.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(most(&(found - expected).unwrap()) < 1e-5 * most(expected), "variable {number}");
        }
        assert!(OPEN.with_borrow(Option::is_none), "candle's own backward gets all gradients");
    }

    #[test]
    fn a_graph_goes_through_it_once() {
        let weight = Var::from_tensor(&normal(&[5, 4], 1)).unwrap();
        let loss = cross_entropy(&normal(&[2, 4], 2), &weight, &[0, 1], None, F32).unwrap().sum;
        backward(&loss).unwrap();
        let message = backward(&loss).unwrap_err().to_string();
        assert!(message.contains("cross-entropy: its backward pass has run before"), "{message}");
        assert!(OPEN.with_borrow(Option::is_none));
    }
}
