//! Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon): momentum whose singular values are all made about 1, for
//! hidden matrices; AdamW for everything else.
//!
//! One learning rate serves both: an orthogonal update of A × B has a root mean square of 1 / √max(A, B), so 0.2 · √max(A, B)
//! times it is as large as AdamW's usual update (Moonlight, Liu et al. 2025, section 2.2).

use super::kinds::is_hidden_matrix;
use super::slots::{Slot, Slots};
use super::{AdamW, AdamWSettings, Gradients, Rates};
use crate::error::Result;
use crate::nn;
use crate::parameters::{Parameters, Stored};
use crate::precision::Precision::F32;
use candle_core::{DType, Tensor};
use std::collections::BTreeMap;

/// The quintic whose five-fold use takes singular values from (0, 1] to about 0.7 to 1.2 (Jordan et al. 2024).
const QUINTIC: (f64, f64, f64) = (3.4445, -4.7750, 2.0315);
/// How often it is used.
const ITERATIONS: usize = 5;
/// The root mean square of an update at rate 1 (Liu et al. 2025).
const SIZE: f64 = 0.2;

/// Muon and AdamW, each with its own parameters.
#[derive(Debug, Clone)]
pub struct Muon {
    momentum: f64,
    weight_decay: f64,
    velocity: Slots<1>,
    rest: AdamW,
}

impl Muon {
    /// At rest.
    pub fn new(parameters: &Parameters, momentum: f64, rest: AdamWSettings) -> Result<Muon> {
        let velocity = Slots::new(parameters, ["velocity"], |name| is_hidden_matrix(parameters, name))?;
        let adamw = AdamW::of(parameters, rest, |name| !is_hidden_matrix(parameters, name))?;
        Ok(Muon { momentum, weight_decay: rest.weight_decay, velocity, rest: adamw })
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.rest.steps()
    }

    /// One step with `gradients` (by name): v ← momentum · v + g, w ← (1 - rate · decay) · w - rate · 0.2 · √max(A, B) ·
    /// orthogonal(g + momentum · v).
    pub fn step<'a>(
        &mut self,
        parameters: &Parameters,
        gradients: &Gradients,
        rates: impl Into<Rates<'a>>,
    ) -> Result<()> {
        let rates = rates.into();
        self.rest.step(parameters, gradients, rates)?;
        for (name, var) in parameters.iter() {
            let Some((gradient, scale)) = gradients.get(name) else { continue };
            let (Some(rate), Some(slot)) = (rates.of(name), self.velocity.get_mut(name)) else { continue };
            let gradient = (gradient.to_dtype(var.dtype())? * scale)?;
            let old = match slot {
                Slot::Slices([velocity]) => Tensor::from_slice(velocity, var.dims(), var.device())?,
                Slot::Tensors([velocity]) => velocity.clone(),
            };
            let velocity = ((old * self.momentum)? + &gradient)?;
            let update = orthogonal(&(gradient + (&velocity * self.momentum)?)?)?;
            match slot {
                Slot::Slices([slice]) => *slice = velocity.flatten_all()?.to_vec1()?,
                Slot::Tensors([tensor]) => *tensor = velocity,
            }
            let (rows, columns) = update.dims2()?;
            let size = SIZE * (rows.max(columns) as f64).sqrt();
            let kept = (var.as_detached_tensor() * (1.0 - rate * self.weight_decay))?;
            var.set(&(kept - (update * (rate * size))?)?)?;
        }
        Ok(())
    }

    /// `velocity.NAME` of hidden matrices, AdamW's `first.NAME` and `second.NAME` of the others.
    pub fn state(&self) -> BTreeMap<String, Stored<'_>> {
        let mut all = self.velocity.state();
        all.extend(self.rest.state());
        all
    }

    /// Takes what was stored out of `stored`; refuses missing tensors and other shapes by name.
    pub fn restore(&mut self, stored: &mut BTreeMap<String, Tensor>, steps: u64) -> Result<()> {
        self.velocity.restore(stored)?;
        self.rest.restore(stored, steps)
    }
}

/// The matrix (A, B) with its singular values moved to about 1, by Newton–Schulz: X ← a·X + (b·XXᵀ + c·(XXᵀ)²)·X, begun
/// with X over its Frobenius norm.
pub fn orthogonal(matrix: &Tensor) -> Result<Tensor> {
    let (rows, columns) = matrix.dims2()?;
    let norm = matrix.sqr()?.sum_all()?.sqrt()?.to_dtype(DType::F64)?.to_scalar::<f64>()?;
    let tall = rows > columns; // XXᵀ is smaller the other way round
    let mut x = (if tall { matrix.t()?.contiguous()? } else { matrix.contiguous()? } / (norm + 1e-7))?;
    let (a, b, c) = QUINTIC;
    for _ in 0..ITERATIONS {
        let square = nn::linear(&x, &x, F32)?; // XXᵀ, symmetric: linear(S, S) = S · Sᵀ = S²
        let polynomial = ((&square * b)? + (nn::linear(&square, &square, F32)? * c)?)?;
        x = ((&x * a)? + nn::linear(&polynomial, &x.t()?.contiguous()?, F32)?)?;
    }
    Ok(if tall { x.t()?.contiguous()? } else { x })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimiser::tests::{gradients, one, values};
    use crate::random::Key;
    use candle_core::Device;

    /// The quintic on a number, five times: what becomes of one singular value.
    fn quintic(value: f64) -> f64 {
        let (a, b, c) = QUINTIC;
        (0..ITERATIONS).fold(value, |x, _| a * x + b * x.powi(3) + c * x.powi(5))
    }

    #[test]
    fn singular_values_go_through_the_quintic_and_directions_stay() {
        // diag(3, 4) has the norm 5: singular values 0.6 and 0.8.
        let diagonal = Tensor::new(&[[3f32, 0.0], [0.0, 4.0]], &Device::Cpu).unwrap();
        let found = orthogonal(&diagonal).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (found, expected) in found.iter().zip([quintic(0.6), 0.0, 0.0, quintic(0.8)]) {
            assert!((f64::from(*found) - expected).abs() < 1e-4, "{found}, expected {expected}");
        }
        // Wide and tall: X Xᵀ (or Xᵀ X) has about 1 on the diagonal, about 0 beside it.
        for shape in [(3, 40), (40, 3)] {
            let values = Key::new(1).normals(120, 1.0);
            let x = orthogonal(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap();
            let x = if shape.0 > shape.1 { x.t().unwrap() } else { x };
            let square = x.matmul(&x.t().unwrap()).unwrap().to_vec2::<f32>().unwrap();
            for (i, row) in square.iter().enumerate() {
                for (j, value) in row.iter().enumerate() {
                    let (low, high) = if i == j { (0.4, 1.5) } else { (-0.5, 0.5) };
                    assert!((low..high).contains(value), "{shape:?}: {square:?}");
                }
            }
        }
    }

    #[test]
    fn the_first_steps_by_hand() {
        // Of 1 × 2, gradient (3, 4): the direction (0.6, 0.8) has one singular value, 1. Size 0.2 · √2, decay 0.1:
        // 1 · (1 - 0.01 · 0.1) - 0.01 · 0.2 · √2 · quintic(1) · (0.6, 0.8).
        let matrix = one("proj.weight", &[1, 2]);
        let mut muon = Muon::new(&matrix, 0.95, AdamWSettings::default()).unwrap();
        muon.step(&matrix, &gradients(&matrix, &[3.0, 4.0]), 0.01).unwrap();
        let change = 0.01 * 0.2 * 2f64.sqrt() * quintic(1.0);
        for (found, share) in values(&matrix).iter().zip([0.6, 0.8]) {
            assert!((f64::from(*found) - (0.999 - change * share)).abs() < 1e-6, "{found}");
        }
        // The second gradient is (0, 0): Nesterov looks along 0.95 · (0.95 · v), the same direction.
        let before = values(&matrix);
        muon.step(&matrix, &gradients(&matrix, &[0.0, 0.0]), 0.01).unwrap();
        for ((found, old), share) in values(&matrix).iter().zip(before).zip([0.6, 0.8]) {
            let expected = f64::from(old) * 0.999 - change * share;
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{found}, expected {expected}");
        }
        let velocity = muon.state()["velocity.proj.weight"].tensor().unwrap().to_vec2::<f32>().unwrap();
        assert!((velocity[0][0] - 2.85).abs() < 1e-5 && (velocity[0][1] - 3.8).abs() < 1e-5, "{velocity:?}");
        // Vectors are AdamW's: the first step is the rate.
        let vector = one("norm.weight", &[1]);
        let mut muon = Muon::new(&vector, 0.95, AdamWSettings::default()).unwrap();
        muon.step(&vector, &gradients(&vector, &[3.0]), 0.01).unwrap();
        assert!((values(&vector)[0] - 0.99).abs() < 1e-6);
    }
}
