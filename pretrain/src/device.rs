//! Where tensors live.
//!
//! On CUDA, products of f32 matrices are in full f32: TF32, which rounds their factors to 11 significant bits, is off, as
//! it is in PyTorch. Who wants speed asks for bf16 ([`crate::precision`]), whose factors are as coarse and half as large.

#[cfg(feature = "cuda")]
mod cuda;

use crate::error::{Error, Result};
use crate::memory;
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
        Choice::Auto => Ok(first().unwrap_or_else(|error| {
            tracing::warn!("{error}; the CPU is used");
            Device::Cpu
        })),
        Choice::Cuda if !candle_core::utils::cuda_is_available() => {
            Err(Error::Settings("this binary was built without CUDA; build one with `make cuda`".to_owned()))
        }
        Choice::Cuda => first(),
    }
}

/// The first CUDA device.
fn first() -> Result<Device> {
    let device = Device::new_cuda(0).map_err(|error| {
        Error::Settings(format!(
            "no CUDA device: {error}; expected a GPU, its driver, and cuBLAS and cuRAND of the CUDA version this binary \
             was built with (`scripts/cuda-toolkit --libraries` fetches them)"
        ))
    })?;
    #[cfg(feature = "cuda")]
    if let Device::Cuda(cuda) = &device {
        cuda::keep_memory(cuda)?;
    }
    Ok(device)
}

/// What the device is, for people: `CPU, 2 threads` or the GPU's name.
pub fn describe(device: &Device) -> String {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => cuda::describe(device),
        Device::Cpu => format!("CPU, {} threads", rayon::current_num_threads()),
        other => format!("{:?}", other.location()),
    }
}

/// Bytes this program holds on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Now.
    pub bytes: u64,
    /// At most so far.
    pub peak_bytes: u64,
}

/// What this program holds on the device: of main memory all that is resident, of a GPU's what tensors take. `None` where
/// the system does not tell.
pub fn memory(device: &Device) -> Option<Memory> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(device) => cuda::memory(device),
        Device::Cpu => Some(Memory { bytes: memory::resident(), peak_bytes: memory::peak() }).filter(|m| m.bytes > 0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_there_and_tells_its_memory() {
        let device = open(Choice::Cpu).unwrap();
        assert!(describe(&device).starts_with("CPU, "));
        if cfg!(target_os = "linux") {
            let memory = memory(&device).unwrap();
            assert!(memory.bytes > 1 << 20 && memory.peak_bytes >= memory.bytes, "{memory:?}");
        }
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn cuda_is_refused_by_a_binary_without_it() {
        assert!(open(Choice::Auto).unwrap().is_cpu());
        let message = open(Choice::Cuda).unwrap_err().to_string();
        assert!(message.contains("without CUDA; build one with `make cuda`"), "{message}");
    }
}
