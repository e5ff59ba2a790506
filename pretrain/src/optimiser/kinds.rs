//! Which parameters are alike, told by name and shape; the only place that does.

use candle_core::Tensor;

/// Whether weight decay applies: matrices, but not the embedding.
pub fn decays(name: &str, tensor: &Tensor) -> bool {
    tensor.rank() >= 2 && !name.contains("embed")
}

/// Whether it is a map between hidden states, which is what Muon is for: neither an embedding nor the head of a model.
pub fn is_hidden_matrix(name: &str, tensor: &Tensor) -> bool {
    tensor.rank() == 2 && decays(name, tensor) && !["lm_head.", "classifier."].iter().any(|head| name.starts_with(head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    #[test]
    fn by_name_and_shape() {
        let of = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        let (matrix, vector) = (of(&[2, 2]), of(&[2]));
        let told = |name, tensor| (decays(name, tensor), is_hidden_matrix(name, tensor));
        assert_eq!(told("model.layers.0.mlp.up_proj.weight", &matrix), (true, true));
        assert_eq!(told("lm_head.weight", &matrix), (true, false));
        assert_eq!(told("classifier.weight", &matrix), (true, false));
        assert_eq!(told("model.embed_tokens.weight", &matrix), (false, false));
        assert_eq!(told("model.norm.weight", &vector), (false, false));
    }
}
