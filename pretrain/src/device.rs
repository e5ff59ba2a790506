//! Where tensors live.

use crate::error::{Error, Result};
pub use candle_core::Device;
use serde::{Deserialize, Serialize};

/// What was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The first CUDA device of a binary built with the feature `cuda`, where there is one; the CPU otherwise.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The first CUDA device, or an error.
    Cuda,
}

/// Opens the device.
///
/// # Errors
/// CUDA was asked for and this binary or this machine has none.
pub fn open(choice: Choice) -> Result<Device> {
    match choice {
        Choice::Cpu => Ok(Device::Cpu),
        Choice::Auto if !candle_core::utils::cuda_is_available() => Ok(Device::Cpu),
        Choice::Auto => Ok(Device::new_cuda(0).unwrap_or_else(|error| {
            tracing::warn!("no CUDA device: {error}; the CPU is used");
            Device::Cpu
        })),
        Choice::Cuda if !candle_core::utils::cuda_is_available() => Err(Error::Settings(
            "this binary was built without CUDA; build with `cargo build --release --features cuda`".to_owned(),
        )),
        Choice::Cuda => Ok(Device::new_cuda(0)?),
    }
}
