//! Tensors as f32 slices: which tensors take the fused path, and what their storage looks like there.

use candle_core::{CpuStorage, DType, Layout, Result, Storage, Tensor, bail};

/// Whether the fused operations take these tensors: f32 in main memory. All others take the plain path.
pub(crate) fn are_f32_on_cpu(tensors: &[&Tensor]) -> bool {
    tensors.iter().all(|tensor| tensor.dtype() == DType::F32 && tensor.device().is_cpu())
}

/// The elements of a contiguous f32 storage.
pub(crate) fn of<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("a fused operation was given a strided tensor; expected a contiguous one"),
    }
}

/// The elements of a contiguous f32 storage, to write.
pub(crate) fn of_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (layout.contiguous_offsets(), storage) {
        (Some((start, end)), CpuStorage::F32(values)) => Ok(&mut values[start..end]),
        _ => bail!("a fused operation was given another tensor than a contiguous one of f32"),
    }
}

/// Hands the elements of f32 tensors in main memory to `work`.
pub(crate) fn read<const N: usize, R>(tensors: [&Tensor; N], work: impl FnOnce([&[f32]; N]) -> R) -> Result<R> {
    let tensors = tensors.map(Tensor::contiguous);
    let mut guards = Vec::with_capacity(N);
    for tensor in &tensors {
        match tensor {
            Ok(tensor) => guards.push(tensor.storage_and_layout()),
            Err(error) => bail!("{error}"),
        }
    }
    let mut slices = [&[] as &[f32]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&guards) {
        let Storage::Cpu(storage) = &**storage else { bail!("a fused operation was given a tensor on another device") };
        *slice = of(storage, layout)?;
    }
    Ok(work(slices))
}
