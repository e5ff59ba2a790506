//! The decoder with a head for labels: states, pooled, dropped out, and one linear map.

use super::batch::{Batch, by_length};
use super::pooling::{pool, probabilities};
use crate::error::Result;
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor};
use std::path::Path;
use tongues_pretrain::models::decoder::{Decoder, DecoderConfig};
use tongues_pretrain::nn::{dropout, linear};
use tongues_pretrain::parameters::Parameters;
use tongues_pretrain::precision::Precision;
use tongues_pretrain::random::Key;

/// (C, 3·D).
const WEIGHT: &str = "classifier.weight";
/// (C).
const BIAS: &str = "classifier.bias";
/// An untied head for tokens: without the auxiliary loss, nothing leads to it.
const TOKEN_HEAD: &str = "lm_head.weight";
/// Deviation of the head's initial values, that of the decoder's (Radford et al. 2019).
const DEVIATION: f64 = 0.02;
/// Texts scored side by side.
const SCORED_AT_ONCE: usize = 32;

/// Decoder and head. The parameters of both are those of [`Network::parameters`].
#[derive(Debug, Clone)]
pub struct Network {
    decoder: Decoder,
    weight: Tensor,
    bias: Tensor,
}

impl Network {
    /// A new head for `labels` labels on a copy of `decoder`; the head's values are a function of `seed`.
    pub fn new(decoder: &Decoder, labels: usize, dropout: f64, seed: u64) -> Result<Network> {
        let mut parameters = decoder.parameters.copy()?;
        let (width, device) = (3 * decoder.config.hidden_size, decoder.head().device().clone());
        parameters.normal(WEIGHT, &[labels, width], DEVIATION, Key::new(seed).named("head"), &device)?;
        parameters.insert(BIAS, &Tensor::zeros(labels, DType::F32, &device)?)?;
        Network::with_parameters(&DecoderConfig { dropout, ..decoder.config.clone() }, parameters)
    }

    /// Reads `config.json` and `model.safetensors` as [`Network::save`] wrote them.
    pub fn load(folder: &Path, labels: usize, device: &Device) -> Result<Network> {
        let config = DecoderConfig::from_hugging_face(&folder.join("config.json"))?;
        let network = Network::new(&Decoder::new(&config, 0, device)?, labels, config.dropout, 0)?;
        network.parameters().load_values(&folder.join("model.safetensors"), device)?;
        Ok(network)
    }

    fn with_parameters(config: &DecoderConfig, parameters: Parameters) -> Result<Network> {
        let (weight, bias) = (parameters.get(WEIGHT)?.as_tensor().clone(), parameters.get(BIAS)?.as_tensor().clone());
        Ok(Network { decoder: Decoder::with_parameters(config, parameters)?, weight, bias })
    }

    /// Writes `config.json` (of the decoder) and `model.safetensors` (decoder and head).
    pub fn save(&self, folder: &Path) -> Result<()> {
        Ok(self.decoder.save(folder)?)
    }

    /// Sizes of the decoder.
    pub fn config(&self) -> &DecoderConfig {
        &self.decoder.config
    }

    /// Of decoder and head, by name.
    pub fn parameters(&self) -> &Parameters {
        &self.decoder.parameters
    }

    /// Where the parameters are.
    pub fn device(&self) -> &Device {
        self.bias.device()
    }

    /// The same weights without a graph, sharing storage.
    pub fn detached(&self) -> Network {
        Network { decoder: self.decoder.detached(), weight: self.weight.detach(), bias: self.bias.detach() }
    }

    /// Final states (B, T, D) of a batch; with a key, dropout is on.
    pub fn hidden(&self, batch: &Batch, key: Option<Key>) -> Result<Tensor> {
        Ok(self.decoder.hidden(&batch.ids, key.map(|key| key.named("decoder")))?)
    }

    /// Logits (B, C) of the states of a batch; with a key, dropout is on.
    pub fn logits(&self, hidden: &Tensor, batch: &Batch, key: Option<Key>) -> Result<Tensor> {
        let pooled = pool(hidden, &batch.lengths)?;
        let pooled = dropout(&pooled, self.decoder.config.dropout, key.map(|key| key.named("head")))?;
        Ok(linear(&pooled, &self.weight, Precision::F32)?.broadcast_add(&self.bias)?)
    }

    /// The map from states to tokens (V, D).
    pub fn token_head(&self) -> &Tensor {
        self.decoder.head()
    }

    /// Probability of each label for each of `texts` (token ids), in their order.
    pub fn probabilities(&self, texts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        let network = self.detached();
        let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
        let mut all = vec![Vec::new(); texts.len()];
        for rows in by_length(&lengths, SCORED_AT_ONCE) {
            let batch = Batch::new(texts, &rows, self.config().end, self.device())?;
            let logits = network.logits(&network.hidden(&batch, None)?, &batch, None)?;
            for (&row, shares) in rows.iter().zip(probabilities(&logits)?) {
                all[row] = shares;
            }
        }
        Ok(all)
    }

    /// Refuses when a parameter got no gradient and names it. A separate map to tokens needs none unless
    /// `predicts_tokens`.
    pub fn check_gradients(&self, gradients: &GradStore, predicts_tokens: bool) -> Result<()> {
        match self.parameters().check_gradients(gradients) {
            Err(tongues_pretrain::Error::NoGradient(names)) if !predicts_tokens && names == [TOKEN_HEAD] => Ok(()),
            other => Ok(other?),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::classifier::pooling::cross_entropy;
    use tongues_pretrain::models::layout::Layout;

    pub(crate) fn tiny(tied: bool) -> Decoder {
        let config = DecoderConfig {
            vocabulary_size: 50,
            hidden_size: 16,
            layers: 2,
            heads: 2,
            intermediate_size: 24,
            context_length: 16,
            tied_embeddings: tied,
            ..DecoderConfig::default()
        };
        Decoder::new(&config, 3, &Device::Cpu).unwrap()
    }

    /// The same sizes in another layout.
    pub(crate) fn tiny_of(layout: Layout, tied: bool) -> Decoder {
        let config = DecoderConfig { layout, intermediate_size: 64, ..tiny(tied).config };
        Decoder::new(&config, 3, &Device::Cpu).unwrap()
    }

    fn shares(network: &Network, texts: &[Vec<u32>]) -> Vec<Vec<f32>> {
        network.probabilities(texts).unwrap()
    }

    #[test]
    fn padding_and_company_change_no_probability() {
        let network = Network::new(&tiny(true), 3, 0.1, 1).unwrap();
        let texts = [vec![1, 7, 2], vec![1, 2], vec![1, 9, 9, 4, 20, 30, 40, 2], vec![1, 5, 6, 2]];
        let together = shares(&network, &texts);
        for (text, expected) in texts.iter().zip(&together) {
            let alone = &shares(&network, std::slice::from_ref(text))[0];
            assert!((alone.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            for (a, b) in alone.iter().zip(expected) {
                assert!((a - b).abs() < 1e-6, "{text:?}: {alone:?} alone, {expected:?} beside longer ones");
            }
        }
        assert_ne!(together[0], together[3]);
    }

    #[test]
    fn every_parameter_gets_a_gradient() {
        for (layout, tied) in Layout::ALL.into_iter().flat_map(|layout| [(layout, true), (layout, false)]) {
            let network = Network::new(&tiny_of(layout, tied), 3, 0.1, 1).unwrap();
            let batch = Batch::new(&[vec![1, 7, 2], vec![1, 9, 8, 2]], &[0, 1], 2, &Device::Cpu).unwrap();
            let hidden = network.hidden(&batch, Some(Key::new(1))).unwrap();
            let logits = network.logits(&hidden, &batch, Some(Key::new(1))).unwrap();
            let store = cross_entropy(&logits, &[0, 2], 0.0).unwrap().backward().unwrap();
            network.check_gradients(&store, false).unwrap();
            assert_eq!(network.check_gradients(&store, true).is_ok(), tied, "an untied head predicts tokens only");
            let cut = network.logits(&hidden.detach(), &batch, None).unwrap();
            let store = cross_entropy(&cut, &[0, 2], 0.0).unwrap().backward().unwrap();
            assert!(network.check_gradients(&store, false).is_err(), "the decoder was cut off");
        }
    }

    #[test]
    fn what_is_saved_predicts_the_same_bits_and_copies_are_apart() {
        let folder = tempfile::tempdir().unwrap();
        let decoder = tiny(false);
        let network = Network::new(&decoder, 3, 0.1, 1).unwrap();
        network.save(folder.path()).unwrap();
        let texts = [vec![1, 7, 2], vec![1, 9, 8, 2]];
        let before = shares(&network, &texts);
        assert_eq!(shares(&Network::load(folder.path(), 3, &Device::Cpu).unwrap(), &texts), before);
        let message = Network::load(folder.path(), 4, &Device::Cpu).unwrap_err().to_string();
        assert!(message.contains("classifier.bias: found shape [3]; expected shape [4]"), "{message}");
        let other = Network::new(&decoder, 3, 0.1, 1).unwrap();
        let embedding = other.parameters().get("model.embed_tokens.weight").unwrap();
        embedding.set(&embedding.zeros_like().unwrap()).unwrap();
        assert_ne!(shares(&other, &texts), before);
        assert_eq!(shares(&network, &texts), before);
    }
}
