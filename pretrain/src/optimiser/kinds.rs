//! Which parameters are alike; the only place of the optimisers that tells.

use crate::parameters::Parameters;

/// Whether weight decay applies: maps, but neither embeddings nor norms nor biases.
pub fn decays(parameters: &Parameters, name: &str) -> bool {
    parameters.is_map(name)
}

/// Whether it is a map between hidden states, which is what Muon is for: not the head of a model.
pub fn is_hidden_matrix(parameters: &Parameters, name: &str) -> bool {
    let is_head = ["lm_head.", "classifier."].iter().any(|head| name.starts_with(head));
    parameters.is_map(name) && !is_head && parameters.get(name).is_ok_and(|var| var.rank() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::decoder::{Decoder, DecoderConfig};
    use candle_core::Device;

    #[test]
    fn of_every_layout() {
        let sizes = DecoderConfig { hidden_size: 8, layers: 1, heads: 2, intermediate_size: 12, ..Default::default() };
        let sizes = DecoderConfig { vocabulary_size: 9, context_length: 4, tied_embeddings: false, ..sizes };
        for layout in ["llama", "qwen3", "gpt2"] {
            let layout = serde_json::from_value(layout.into()).unwrap();
            let config = DecoderConfig { layout, ..sizes.clone() };
            let parameters = Decoder::new(&config, 1, &Device::Cpu).unwrap().parameters;
            let of = |kind: fn(&Parameters, &str) -> bool| -> Vec<&str> {
                parameters.iter().map(|(name, _)| name).filter(|name| kind(&parameters, name)).collect()
            };
            let (decaying, hidden) = (of(decays), of(is_hidden_matrix));
            assert_eq!(decaying.iter().filter(|name| !hidden.contains(name)).collect::<Vec<_>>(), [&"lm_head.weight"]);
            assert_eq!(hidden.len(), if layout.is_gpt() { 4 } else { 7 }, "{hidden:?}");
            assert!(
                hidden.iter().all(|name| name.contains(".attn.") || name.contains("_attn.") || name.contains("mlp."))
            );
        }
    }
}
