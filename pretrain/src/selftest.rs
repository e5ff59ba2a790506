//! Whether a device computes as it should: every layer, optimiser and a few training runs on it, beside the same in f64 on
//! the CPU, where layers are chains of plain operations (`crate::nn::plain`) that finite differences vouch for. On the CPU
//! that compares the fused operations with the plain ones.
//!
//! All that needs a device to be tested is here. A new layer is a line in [`layers`].

pub mod layers;
pub mod optimisers;
pub mod training;

use crate::device;
use crate::error::Result;
use candle_core::{DType, Device, Tensor};
use serde::Serialize;
use std::path::Path;

/// One comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// What was compared.
    pub name: String,
    /// What the difference may be, in the unit that the name ends with; without one, relative to the largest number.
    pub tolerance: f64,
    /// What it is; `None` where the work itself failed.
    pub found: Option<f64>,
    /// Why the work failed.
    pub error: Option<String>,
    /// Whether all is well.
    pub passed: bool,
}

impl Check {
    /// Of what some work found. NaN is not well.
    pub fn new(name: impl Into<String>, tolerance: f64, found: Result<f64>) -> Check {
        let passed = matches!(found, Ok(found) if found <= tolerance);
        let (found, error) = match found {
            Ok(found) => (Some(found), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Check { name: name.into(), tolerance, found, error, passed }
    }
}

/// All comparisons on one device.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What the device is.
    pub device: String,
    /// In order.
    pub checks: Vec<Check>,
    /// What the program held on the device before and after, and at most; `None` where the system does not tell.
    pub memory: Option<[device::Memory; 2]>,
}

impl Report {
    /// How many are not well.
    pub fn failed(&self) -> usize {
        self.checks.iter().filter(|check| !check.passed).count()
    }
}

/// Compares all; a comparison that fails does not stop the others. Training runs are kept in `scratch`, an empty folder.
pub fn run(device: &Device, scratch: &Path) -> Report {
    let before = device::memory(device);
    let mut checks = layers::check(device);
    checks.extend(optimisers::check(device));
    checks.extend(training::check(device, scratch));
    let memory = before.zip(device::memory(device)).map(|(before, after)| [before, after]);
    Report { device: device::describe(device), checks, memory }
}

/// The largest difference, over the largest of what was expected.
fn difference(found: &Tensor, expected: &Tensor) -> Result<f64> {
    let (found, expected) = (numbers(found)?, numbers(expected)?);
    assert_eq!(found.len(), expected.len(), "both come out of the same function");
    let largest = expected.iter().fold(f64::MIN_POSITIVE, |most, x| most.max(x.abs()));
    let errors = found.iter().zip(&expected).map(|(a, b)| (a - b).abs() / largest);
    // NaN has to come through, which `f64::max` would hide.
    Ok(errors.fold(0.0, |most: f64, error| if error > most || error.is_nan() { error } else { most }))
}

fn numbers(x: &Tensor) -> Result<Vec<f64>> {
    Ok(x.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn what_is_not_a_number_or_fails_is_not_well() {
        assert!(Check::new("a", 0.0, Ok(0.0)).passed);
        assert!(!Check::new("a", 1.0, Ok(1.5)).passed);
        assert!(!Check::new("a", 1.0, Ok(f64::NAN)).passed);
        let check = Check::new("a", 1.0, Err(Error::Settings("no".to_owned())));
        assert!(!check.passed && check.error.as_deref() == Some("no"));
        let of = |values: &[f64]| Tensor::new(values, &Device::Cpu).unwrap();
        assert_eq!(difference(&of(&[1.0, -3.0]), &of(&[1.0, -4.0])).unwrap(), 0.25);
        assert!(difference(&of(&[f64::NAN, 1.0]), &of(&[1.0, 1.0])).unwrap().is_nan());
    }

    #[test]
    fn the_cpu_is_well() {
        let scratch = tempfile::tempdir().unwrap();
        let report = run(&Device::Cpu, scratch.path());
        assert_eq!(report.failed(), 0, "{:#?}", report.checks);
        assert!(report.memory.is_some() || !cfg!(target_os = "linux"));
    }
}
