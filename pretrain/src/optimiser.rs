//! AdamW (Loshchilov and Hutter 2019) with its state in the open, and clipping by the global norm. In main memory a step
//! is one pass over each parameter; sums run in chunks of a fixed size, so threads change no bit.

use crate::error::{Error, Result};
use crate::nn::slices;
use crate::nn::vector::{sum_of_squares, vectorised};
use crate::parameters::Parameters;
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, InplaceOp2, Layout, Tensor, Var};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Elements one task handles.
const CHUNK: usize = 1 << 14;

/// Constants of AdamW.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdamWSettings {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled decay of matrices other than the embedding; norms and the embedding do not decay.
    pub weight_decay: f64,
    /// The gradient's global norm is cut to this; none: as it is.
    pub clip: Option<f64>,
}

impl Default for AdamWSettings {
    fn default() -> AdamWSettings {
        AdamWSettings { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weight_decay: 0.1, clip: Some(1.0) }
    }
}

/// AdamW and its moments, by parameter name.
#[derive(Debug, Clone)]
pub struct AdamW {
    settings: AdamWSettings,
    steps: u64,
    moments: BTreeMap<String, Moments>,
    shapes: BTreeMap<String, Vec<usize>>,
}

/// The first and the second moment of a parameter, f32.
#[derive(Debug, Clone)]
enum Moments {
    /// Of an f32 parameter in main memory.
    Slices([Vec<f32>; 2]),
    /// Of any other.
    Tensors([Tensor; 2]),
}

impl Moments {
    fn new(var: &Var, values: [Tensor; 2]) -> Result<Moments> {
        if !slices::are_f32_on_cpu(&[var]) {
            return Ok(Moments::Tensors(values));
        }
        let [first, second] = values.map(|value| value.flatten_all()?.to_vec1());
        Ok(Moments::Slices([first?, second?]))
    }

    /// Copies of the values, in the parameter's shape.
    fn tensors(&self, shape: &[usize]) -> [Tensor; 2] {
        match self {
            Moments::Tensors(tensors) => tensors.clone(),
            Moments::Slices(values) => values.each_ref().map(|values| {
                Tensor::from_slice(values, shape, &candle_core::Device::Cpu).expect("as many as the parameter has")
            }),
        }
    }
}

/// Whether weight decay applies: matrices, but not the embedding.
pub fn decays(name: &str, tensor: &Tensor) -> bool {
    tensor.rank() >= 2 && !name.contains("embed")
}

/// The numbers of one step for one parameter.
#[derive(Debug, Clone, Copy)]
struct Update {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    /// What the gradient is multiplied by first.
    scale: f64,
    /// What the moments are divided by: 1 - betaᵗ.
    shares: (f64, f64),
    rate: f64,
    decay: f64,
}

impl Update {
    /// A step of a parameter whose moments are tensors.
    fn on_tensors(&self, var: &Var, gradient: &Tensor, [first, second]: &mut [Tensor; 2]) -> Result<()> {
        let gradient = (gradient.to_dtype(DType::F32)? * self.scale)?;
        *first = ((&*first * self.beta1)? + (&gradient * (1.0 - self.beta1))?)?;
        *second = ((&*second * self.beta2)? + (gradient.sqr()? * (1.0 - self.beta2))?)?;
        let root = ((&*second / self.shares.1)?.sqrt()? + self.epsilon)?;
        let change = ((&*first / self.shares.0)? / root)?;
        let value = ((var.as_detached_tensor() * (1.0 - self.rate * self.decay))? - (change * self.rate)?)?;
        Ok(var.set(&value)?)
    }

    /// A step of a parameter whose moments are slices.
    fn on_slices(&self, values: &mut [f32], gradient: &[f32], [first, second]: &mut [Vec<f32>; 2]) {
        let chunks = values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        let chunks = chunks.zip(first.par_chunks_mut(CHUNK)).zip(second.par_chunks_mut(CHUNK));
        chunks.for_each(|(((values, gradient), first), second)| update(values, gradient, first, second, *self));
    }
}

vectorised! {
    fn update(values: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32], by: Update) {
        let (old1, new1) = (by.beta1 as f32, ((1.0 - by.beta1) * by.scale) as f32);
        let (old2, new2) = (by.beta2 as f32, ((1.0 - by.beta2) * by.scale * by.scale) as f32);
        let (keep, rate, epsilon) = ((1.0 - by.rate * by.decay) as f32, (by.rate / by.shares.0) as f32, by.epsilon as f32);
        let share = (1.0 / by.shares.1) as f32;
        for (((value, gradient), first), second) in values.iter_mut().zip(gradient).zip(first).zip(second) {
            *first = *first * old1 + gradient * new1;
            *second = *second * old2 + gradient * gradient * new2;
            *value = *value * keep - rate * *first / ((*second * share).sqrt() + epsilon);
        }
    }
}

/// A step in the place where candle lets a variable's storage be changed.
struct InPlace<'a>(Update, RefCell<&'a mut [Vec<f32>; 2]>);

impl InplaceOp2 for InPlace<'_> {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(
        &self,
        values: &mut CpuStorage,
        layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> candle_core::Result<()> {
        let (values, gradient) = (slices::of_mut(values, layout)?, slices::of(gradient, gradient_layout)?);
        self.0.on_slices(values, gradient, &mut self.1.borrow_mut());
        Ok(())
    }
}

impl AdamW {
    /// Moments of zero for every parameter.
    pub fn new(parameters: &Parameters, settings: AdamWSettings) -> Result<AdamW> {
        let mut moments = BTreeMap::new();
        for (name, var) in parameters.iter() {
            let zeros = Tensor::zeros(var.dims(), DType::F32, var.device())?;
            moments.insert(name.to_owned(), Moments::new(var, [zeros.clone(), zeros])?);
        }
        let shapes = parameters.iter().map(|(name, var)| (name.to_owned(), var.dims().to_vec())).collect();
        Ok(AdamW { settings, steps: 0, moments, shapes })
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step with `gradients` (by name) at `rate`; gives the gradient's global norm before clipping.
    pub fn step(&mut self, parameters: &Parameters, gradients: &Gradients, rate: f64) -> Result<f64> {
        let AdamWSettings { beta1, beta2, epsilon, weight_decay, clip } = self.settings;
        let norm = gradients.norm()?;
        let clipped = clip.map_or(1.0, |most| (most / norm.max(1e-12)).min(1.0));
        self.steps += 1;
        let shares = (1.0 - beta1.powf(self.steps as f64), 1.0 - beta2.powf(self.steps as f64));
        for (name, var) in parameters.iter() {
            let Some((gradient, scale)) = gradients.by_name.get(name) else { continue };
            let decay = if decays(name, var) { weight_decay } else { 0.0 };
            let update = Update { beta1, beta2, epsilon, scale: scale * clipped, shares, rate, decay };
            match self.moments.get_mut(name).expect("made for every parameter in `new`") {
                Moments::Tensors(moments) => update.on_tensors(var, gradient, moments)?,
                Moments::Slices(moments) => {
                    var.inplace_op2(&gradient.contiguous()?, &InPlace(update, RefCell::new(moments)))?;
                }
            }
        }
        Ok(norm)
    }

    /// The moments as tensors to store: `first.NAME`, `second.NAME`.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        let pairs = self.moments.iter();
        pairs
            .flat_map(|(name, moments)| {
                let [first, second] = moments.tensors(&self.shapes[name]);
                [(format!("first.{name}"), first), (format!("second.{name}"), second)]
            })
            .collect()
    }

    /// Takes stored moments and the step count; refuses missing ones and other shapes by name.
    pub fn restore(&mut self, stored: &BTreeMap<String, Tensor>, steps: u64) -> Result<()> {
        for (name, moments) in &mut self.moments {
            let shape = &self.shapes[name];
            for kind in ["first", "second"] {
                let key = format!("{kind}.{name}");
                let found = stored.get(&key).map(|tensor| tensor.dims().to_vec());
                if found.as_ref() != Some(shape) {
                    let found = found.map_or("nothing".to_owned(), |shape| format!("shape {shape:?}"));
                    let expected = format!("shape {shape:?}");
                    return Err(Error::Mismatch { place: format!("optimiser state, {key}"), found, expected });
                }
            }
            let [first, second] = ["first", "second"].map(|kind| &stored[&format!("{kind}.{name}")]);
            *moments = match moments {
                Moments::Tensors(_) => Moments::Tensors([first.clone(), second.clone()]),
                Moments::Slices(_) => {
                    Moments::Slices([first.flatten_all()?.to_vec1()?, second.flatten_all()?.to_vec1()?])
                }
            };
        }
        self.steps = steps;
        Ok(())
    }
}

/// Gradients summed over several backward passes, by parameter name.
#[derive(Debug, Clone, Default)]
pub struct Gradients {
    /// Each to be multiplied by its factor when it is used.
    by_name: BTreeMap<String, (Tensor, f64)>,
}

impl Gradients {
    /// Adds what one backward pass gave, times `scale`.
    pub fn add(&mut self, parameters: &Parameters, store: &GradStore, scale: f64) -> Result<()> {
        for (name, var) in parameters.iter() {
            let Some(gradient) = store.get(var).map(Tensor::detach) else { continue };
            let sum = match self.by_name.remove(name) {
                None => (gradient, scale),
                Some((sum, factor)) if slices::are_f32_on_cpu(&[&sum, &gradient]) => {
                    let values = slices::read([&sum, &gradient], |[sum, new]| weighted_sum(sum, factor, new, scale))?;
                    (Tensor::from_vec(values, sum.shape(), sum.device())?, 1.0)
                }
                Some((sum, factor)) => (((sum * factor)? + (gradient * scale)?)?, 1.0),
            };
            self.by_name.insert(name.to_owned(), sum);
        }
        Ok(())
    }

    /// Square root of the sum of all squares.
    pub fn norm(&self) -> Result<f64> {
        let mut sum = 0.0;
        for (gradient, scale) in self.by_name.values() {
            let squares = if slices::are_f32_on_cpu(&[gradient]) {
                let parts = |[all]: [&[f32]; 1]| all.par_chunks(CHUNK).map(sum_of_squares).collect::<Vec<f64>>();
                slices::read([gradient], parts)?.iter().sum()
            } else {
                gradient.sqr()?.sum_all()?.to_dtype(DType::F64)?.to_scalar::<f64>()?
            };
            sum += scale * scale * squares;
        }
        Ok(sum.sqrt())
    }
}

/// `a · by_a + b · by_b`.
fn weighted_sum(a: &[f32], by_a: f64, b: &[f32], by_b: f64) -> Vec<f32> {
    let mut sum = vec![0.0; a.len()];
    let chunks = sum.par_chunks_mut(CHUNK).zip(a.par_chunks(CHUNK)).zip(b.par_chunks(CHUNK));
    chunks.for_each(|((sum, a), b)| weighted_sum_of(sum, a, by_a as f32, b, by_b as f32));
    sum
}

vectorised! {
    fn weighted_sum_of(sum: &mut [f32], a: &[f32], by_a: f32, b: &[f32], by_b: f32) {
        sum.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum = a * by_a + b * by_b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn one(name: &str, shape: &[usize]) -> Parameters {
        let mut parameters = Parameters::new();
        parameters.ones(name, shape, &Device::Cpu).unwrap();
        parameters
    }

    fn value(parameters: &Parameters) -> f32 {
        parameters.iter().next().unwrap().1.flatten_all().unwrap().to_vec1::<f32>().unwrap()[0]
    }

    /// One step on the loss 3 x, gradient 3.
    fn step(parameters: &Parameters, optimiser: &mut AdamW) -> f64 {
        let var = parameters.iter().next().unwrap().1;
        let store = (var.sum_all().unwrap() * 3.0).unwrap().backward().unwrap();
        let mut gradients = Gradients::default();
        gradients.add(parameters, &store, 0.5).unwrap();
        gradients.add(parameters, &store, 0.5).unwrap();
        optimiser.step(parameters, &gradients, 0.01).unwrap()
    }

    #[test]
    fn the_first_step_by_hand() {
        // After bias correction the moments are g and g²: the change is the rate, whatever the gradient.
        let vector = one("norm.weight", &[1]);
        let mut optimiser = AdamW::new(&vector, AdamWSettings::default()).unwrap();
        assert!((step(&vector, &mut optimiser) - 3.0).abs() < 1e-6);
        assert!((value(&vector) - 0.99).abs() < 1e-6);
        // A matrix decays too: 1 · (1 - 0.01 · 0.1) - 0.01 = 0.989.
        let matrix = one("proj.weight", &[1, 1]);
        step(&matrix, &mut AdamW::new(&matrix, AdamWSettings::default()).unwrap());
        assert!((value(&matrix) - 0.989).abs() < 1e-6);
        // Clipping to norm 1: the first moment is (1 - 0.9) · 1, not · 3.
        let first = optimiser.state()["first.norm.weight"].to_vec1::<f32>().unwrap()[0];
        assert!((first - 0.1).abs() < 1e-6);
    }

    #[test]
    fn a_restored_optimiser_goes_on_as_before() {
        let (a, b) = (one("w", &[2, 2]), one("w", &[2, 2]));
        let mut whole = AdamW::new(&a, AdamWSettings::default()).unwrap();
        (0..4).for_each(|_| assert!(step(&a, &mut whole) > 0.0));
        let mut half = AdamW::new(&b, AdamWSettings::default()).unwrap();
        (0..2).for_each(|_| assert!(step(&b, &mut half) > 0.0));
        let mut rest = AdamW::new(&b, AdamWSettings::default()).unwrap();
        rest.restore(&half.state(), 2).unwrap();
        (0..2).for_each(|_| assert!(step(&b, &mut rest) > 0.0));
        assert_eq!(value(&a), value(&b));
        let error = rest.restore(&BTreeMap::new(), 0).unwrap_err().to_string();
        assert!(error.contains("first.w: found nothing; expected shape [2, 2]"), "{error}");
    }
}
