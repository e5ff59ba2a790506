//! What the driver of CUDA tells and takes beside tensors.

use super::Memory;
use crate::error::Result;
use candle_core::CudaDevice;
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::CudaContext;
use candle_core::cuda_backend::cudarc::driver::sys;
use std::sync::Arc;

fn context(device: &CudaDevice) -> Arc<CudaContext> {
    device.cuda_stream().context().clone()
}

/// The pool that tensors are taken from; `None` on drivers without pools.
fn pool(device: &CudaDevice) -> Option<sys::CUmemoryPool> {
    let context = context(device);
    if !context.has_async_alloc() {
        return None;
    }
    let mut pool = std::ptr::null_mut();
    // SAFETY: the device exists as long as its context does, and the pool is only written to.
    let answer = unsafe { sys::cuDeviceGetMemPool(&mut pool, context.cu_device()) };
    answer.result().is_ok().then_some(pool)
}

/// A training step frees and takes the same large blocks again and again. By default the driver gives what is free back
/// whenever the host waits for the device, and has to map it anew; here the program keeps what it has.
pub fn keep_memory(device: &CudaDevice) -> Result<()> {
    if let Some(pool) = pool(device) {
        let (mut all, attribute) = (u64::MAX, sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD);
        // SAFETY: this attribute is a u64.
        unsafe { sys::cuMemPoolSetAttribute(pool, attribute, (&raw mut all).cast()) }.result().w()?;
    }
    Ok(())
}

/// What tensors take of the device.
pub fn memory(device: &CudaDevice) -> Option<Memory> {
    let pool = pool(device)?;
    let read = |attribute| {
        let mut bytes = 0u64;
        // SAFETY: these attributes are u64.
        let answer = unsafe { sys::cuMemPoolGetAttribute(pool, attribute, (&raw mut bytes).cast()) };
        answer.result().is_ok().then_some(bytes)
    };
    Some(Memory {
        bytes: read(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT)?,
        peak_bytes: read(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH)?,
    })
}

/// Name, compute capability, and the newest CUDA the driver knows.
pub fn describe(device: &CudaDevice) -> String {
    let context = context(device);
    let name = context.name().unwrap_or_else(|_| "CUDA device".to_owned());
    let capability =
        context.compute_capability().map_or(String::new(), |(a, b)| format!(", compute capability {a}.{b}"));
    let mut version = 0;
    // SAFETY: writes one number.
    let known = unsafe { sys::cuDriverGetVersion(&mut version) }.result().is_ok();
    let driver =
        if known { format!(", driver for CUDA {}.{}", version / 1000, version % 1000 / 10) } else { String::new() };
    name + &capability + &driver
}
