//! In which numbers matrices are multiplied.

use serde::{Deserialize, Serialize};

/// The numbers of matrix products. Weights, their gradients and what the optimiser remembers, norms, softmax and loss are
/// f32 in both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits, 24 of them significant.
    #[default]
    F32,
    /// bfloat16: the range of f32 with 8 significant bits (Kalamkar et al. 2019). Both factors of a product are rounded
    /// to it, sums are f32. No scaling of the loss is needed, other than with float16.
    Bf16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_write_it_in_lower_case() {
        for (precision, written) in [(Precision::F32, r#""f32""#), (Precision::Bf16, r#""bf16""#)] {
            assert_eq!(serde_json::to_string(&precision).unwrap(), written);
            assert_eq!(serde_json::from_str::<Precision>(written).unwrap(), precision);
        }
        assert!(serde_json::from_str::<Precision>(r#""f16""#).is_err());
    }
}
