//! What an optimiser remembers of each parameter, and the place where a parameter is changed.

use crate::error::{Error, Result};
use crate::nn::slices;
use crate::parameters::{Parameters, Stored};
use candle_core::{CpuStorage, DType, InplaceOp2, Layout, Tensor, Var};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// `N` tensors of a parameter's shape: f32, and f64 of a parameter in f64, with which the others are checked.
#[derive(Debug, Clone)]
pub(super) enum Slot<const N: usize> {
    /// Of an f32 parameter in main memory.
    Slices([Vec<f32>; N]),
    /// Of any other.
    Tensors([Tensor; N]),
}

impl<const N: usize> Slot<N> {
    fn new(var: &Var, values: [Tensor; N]) -> Result<Slot<N>> {
        if !slices::are_f32_on_cpu(&[var]) {
            return Ok(Slot::Tensors(values));
        }
        let mut all = std::array::from_fn(|_| Vec::new());
        for (slice, value) in all.iter_mut().zip(&values) {
            *slice = value.flatten_all()?.to_vec1()?;
        }
        Ok(Slot::Slices(all))
    }

    /// The values, each in the parameter's shape.
    fn stored<'a>(&'a self, shape: &'a [usize]) -> [Stored<'a>; N] {
        match self {
            Slot::Tensors(tensors) => tensors.each_ref().map(|tensor| Stored::Tensor(tensor.clone())),
            Slot::Slices(values) => values.each_ref().map(|values| Stored::Slice(shape, values)),
        }
    }
}

/// The slots of all parameters, by name; each of the `N` tensors has a name too.
#[derive(Debug, Clone)]
pub(super) struct Slots<const N: usize> {
    kinds: [&'static str; N],
    slots: BTreeMap<String, Slot<N>>,
    vars: BTreeMap<String, Var>,
}

impl<const N: usize> Slots<N> {
    /// Zeros for every parameter that is `wanted`.
    pub fn new(parameters: &Parameters, kinds: [&'static str; N], wanted: impl Fn(&str) -> bool) -> Result<Slots<N>> {
        let (mut slots, mut vars) = (BTreeMap::new(), BTreeMap::new());
        for (name, var) in parameters.iter().filter(|(name, _)| wanted(name)) {
            let dtype = if var.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
            let zeros = Tensor::zeros(var.dims(), dtype, var.device())?;
            slots.insert(name.to_owned(), Slot::new(var, std::array::from_fn(|_| zeros.clone()))?);
            vars.insert(name.to_owned(), var.clone());
        }
        Ok(Slots { kinds, slots, vars })
    }

    /// The slot of a parameter, if it was wanted.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Slot<N>> {
        self.slots.get_mut(name)
    }

    /// The values to store, as `KIND.NAME`.
    pub fn state(&self) -> BTreeMap<String, Stored<'_>> {
        let mut all = BTreeMap::new();
        for (name, slot) in &self.slots {
            for (kind, values) in self.kinds.iter().zip(slot.stored(self.vars[name].dims())) {
                all.insert(format!("{kind}.{name}"), values);
            }
        }
        all
    }

    /// Takes stored values out of `stored`, where each is gone then; refuses missing ones and other shapes by name.
    pub fn restore(&mut self, stored: &mut BTreeMap<String, Tensor>) -> Result<()> {
        for (name, var) in &self.vars {
            let mut values = Vec::with_capacity(N);
            for kind in self.kinds {
                let key = format!("{kind}.{name}");
                match stored.remove(&key) {
                    Some(tensor) if tensor.dims() == var.dims() => values.push(tensor.to_device(var.device())?),
                    other => {
                        let found = other.map_or("nothing".to_owned(), |tensor| format!("shape {:?}", tensor.dims()));
                        let expected = format!("shape {:?}", var.dims());
                        return Err(Error::Mismatch { place: format!("optimiser state, {key}"), found, expected });
                    }
                }
            }
            let values = values.try_into().expect("one for each of the N kinds");
            self.slots.insert(name.clone(), Slot::new(var, values)?);
        }
        Ok(())
    }
}

/// Gives `work` the elements of an f32 variable in main memory, to change, and those of a tensor of its shape.
pub(crate) fn in_place(var: &Var, other: &Tensor, work: impl FnMut(&mut [f32], &[f32])) -> Result<()> {
    Ok(var.inplace_op2(&other.contiguous()?, &InPlace(RefCell::new(work)))?)
}

/// The place where candle lets a variable's storage be changed.
struct InPlace<F>(RefCell<F>);

impl<F: FnMut(&mut [f32], &[f32])> InplaceOp2 for InPlace<F> {
    fn name(&self) -> &'static str {
        "change in place"
    }

    fn cpu_fwd(
        &self,
        values: &mut CpuStorage,
        layout: &Layout,
        other: &CpuStorage,
        other_layout: &Layout,
    ) -> candle_core::Result<()> {
        let (values, other) = (slices::of_mut(values, layout)?, slices::of(other, other_layout)?);
        (self.0.borrow_mut())(values, other);
        Ok(())
    }
}
