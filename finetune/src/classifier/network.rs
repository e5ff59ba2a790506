//! The pretrained model with a head for labels: states, pooled, dropped out, and one linear map.

use super::batch::{Batch, by_length};
use super::pooling::{Pooling, pool, probabilities};
use crate::error::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor};
use std::path::Path;
use tongues_pretrain::models::recurrent::weights::HEAD_BIAS;
use tongues_pretrain::models::{self, Model, ModelConfig};
use tongues_pretrain::nn::cross_entropy::Loss;
use tongues_pretrain::nn::{dropout, linear};
use tongues_pretrain::parameters::Parameters;
use tongues_pretrain::precision::Precision;
use tongues_pretrain::random::Key;

/// (C, 3·D).
const WEIGHT: &str = "classifier.weight";
/// (C).
const BIAS: &str = "classifier.bias";
/// What the names of heads for tokens begin with: without the auxiliary loss, nothing leads to them.
const TOKEN_HEADS: [&str; 2] = ["lm_head.", HEAD_BIAS];
/// Deviation of the head's initial values, that of the model's (Radford et al. 2019).
const DEVIATION: f64 = 0.02;
/// Texts scored side by side.
const SCORED_AT_ONCE: usize = 32;

/// Model and head. The parameters of both are those of [`Network::parameters`].
#[derive(Debug)]
pub struct Network {
    model: Box<dyn Model>,
    config: ModelConfig,
    weight: Tensor,
    bias: Tensor,
}

impl Network {
    /// A new head for `labels` labels on a copy of `model`; the head's values are a function of `seed`.
    pub fn new(model: &dyn Model, labels: usize, dropout: f64, seed: u64) -> Result<Network> {
        let mut parameters = model.parameters().copy()?;
        let (width, device) = (3 * model.config().hidden_size(), model.device().clone());
        parameters.normal(WEIGHT, &[labels, width], DEVIATION, Key::new(seed).named("head"), &device)?;
        parameters.insert(BIAS, &Tensor::zeros(labels, DType::F32, &device)?)?;
        let (weight, bias) = (parameters.get(WEIGHT)?.as_tensor().clone(), parameters.get(BIAS)?.as_tensor().clone());
        let model = model.with_parameters(parameters, dropout)?;
        Ok(Network { config: model.config(), model, weight, bias })
    }

    /// Reads `config.json` and `model.safetensors` as [`Network::save`] wrote them.
    pub fn load(folder: &Path, labels: usize, device: &Device) -> Result<Network> {
        let config = ModelConfig::read(&folder.join("config.json"))?;
        let network = Network::new(&*models::new(&config, 0, device)?, labels, config.dropout(), 0)?;
        network.parameters().load_values(&folder.join("model.safetensors"), device)?;
        Ok(network)
    }

    /// Writes `config.json` (of the pretrained model) and `model.safetensors` (model and head).
    pub fn save(&self, folder: &Path) -> Result<()> {
        Ok(self.model.save(folder)?)
    }

    /// Sizes of the pretrained model.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// How the states of a text become one vector.
    pub fn pooling(&self) -> Pooling {
        Pooling::of(&self.config)
    }

    /// Of model and head, by name.
    pub fn parameters(&self) -> &Parameters {
        self.model.parameters()
    }

    /// Where the parameters are.
    pub fn device(&self) -> &Device {
        self.bias.device()
    }

    /// The same weights without a graph, sharing storage.
    pub fn detached(&self) -> Network {
        let (config, weight, bias) = (self.config.clone(), self.weight.detach(), self.bias.detach());
        Network { model: self.model.detached(), config, weight, bias }
    }

    /// Final states (B, T, D) of a batch; with a key, dropout is on.
    pub fn hidden(&self, batch: &Batch, key: Option<Key>) -> Result<Tensor> {
        Ok(self.model.states(&batch.ids, &batch.lengths, key.map(|key| key.named("decoder")))?)
    }

    /// Logits (B, C) of the states of a batch; with a key, dropout is on.
    pub fn logits(&self, hidden: &Tensor, batch: &Batch, key: Option<Key>) -> Result<Tensor> {
        let pooled = pool(hidden, &batch.lengths, self.pooling())?;
        let pooled = dropout(&pooled, self.config.dropout(), key.map(|key| key.named("head")))?;
        Ok(linear(&pooled, &self.weight, Precision::F32)?.broadcast_add(&self.bias)?)
    }

    /// Loss of the tokens after the states (N, D) where they are not `none`.
    ///
    /// # Errors
    /// A model that does not tell the next token.
    pub fn next_token_loss(&self, states: &Tensor, targets: &[u32], none: u32) -> Result<Loss> {
        let loss = self.model.next_token_loss(states, targets, none)?;
        let architecture = self.config.architecture();
        loss.ok_or_else(|| {
            Error::Settings(format!(
                "finetune: `language_model_weight` is above 0; expected 0, since {architecture} does not tell the next token"
            ))
        })
    }

    /// Probability of each label for each of `texts` (token ids), in their order.
    pub fn probabilities(&self, texts: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        let network = self.detached();
        let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
        let mut all = vec![Vec::new(); texts.len()];
        for rows in by_length(&lengths, SCORED_AT_ONCE) {
            let batch = Batch::new(texts, &rows, self.config.special().1, self.device())?;
            let logits = network.logits(&network.hidden(&batch, None)?, &batch, None)?;
            for (&row, shares) in rows.iter().zip(probabilities(&logits)?) {
                all[row] = shares;
            }
        }
        Ok(all)
    }

    /// Refuses when a parameter got no gradient and names it. What leads from states to tokens alone needs none unless
    /// `predicts_tokens`.
    pub fn check_gradients(&self, gradients: &GradStore, predicts_tokens: bool) -> Result<()> {
        match self.parameters().check_gradients(gradients) {
            Err(tongues_pretrain::Error::NoGradient(names))
                if !predicts_tokens
                    && names.iter().all(|name| TOKEN_HEADS.iter().any(|head| name.starts_with(head))) =>
            {
                Ok(())
            }
            other => Ok(other?),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::classifier::pooling::cross_entropy;
    use tongues_pretrain::models::decoder::{Decoder, DecoderConfig};
    use tongues_pretrain::models::encoder::{Encoder, EncoderConfig};
    use tongues_pretrain::models::layout::Layout;
    use tongues_pretrain::models::recurrent::{Recurrent, RecurrentConfig};

    pub(crate) fn tiny_encoder() -> Encoder {
        let sizes = EncoderConfig { hidden_size: 16, layers: 2, heads: 2, intermediate_size: 64, ..Default::default() };
        let config = EncoderConfig { context_length: 16, ..sizes }.for_vocabulary(50).unwrap();
        Encoder::new(&config, 3, &Device::Cpu).unwrap()
    }

    fn tiny_recurrent() -> Recurrent {
        let sizes = RecurrentConfig { embedding_size: 16, hidden_size: 24, layers: 2, ..Default::default() };
        let config = RecurrentConfig { sequence_length: 4, vocabulary_size: 50, ..sizes };
        Recurrent::new(&config, 3, &Device::Cpu).unwrap()
    }

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
        for model in [&tiny(true) as &dyn Model, &tiny_encoder(), &tiny_recurrent()] {
            padding_and_company_change_no_probability_of(model);
        }
    }

    fn padding_and_company_change_no_probability_of(model: &dyn Model) {
        let network = Network::new(model, 3, 0.1, 1).unwrap();
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
    fn every_parameter_of_an_encoder_but_its_head_gets_a_gradient() {
        let network = Network::new(&tiny_encoder(), 3, 0.1, 1).unwrap();
        let batch = Batch::new(&[vec![1, 7, 2], vec![1, 9, 8, 2]], &[0, 1], 2, &Device::Cpu).unwrap();
        let hidden = network.hidden(&batch, Some(Key::new(1))).unwrap();
        let logits = network.logits(&hidden, &batch, Some(Key::new(1))).unwrap();
        let store = cross_entropy(&logits, &[0, 2], 0.0).unwrap().backward().unwrap();
        network.check_gradients(&store, false).unwrap();
        assert!(network.check_gradients(&store, true).is_err());
        let message = network.next_token_loss(&hidden, &[1; 8], 9).unwrap_err().to_string();
        assert!(message.contains("RobertaForMaskedLM does not tell the next token"), "{message}");
    }

    #[test]
    fn every_parameter_of_a_recurrent_model_but_its_heads_bias_gets_a_gradient() {
        let network = Network::new(&tiny_recurrent(), 3, 0.1, 1).unwrap();
        assert!((network.config().dropout() - 0.1).abs() < 1e-12);
        let batch = Batch::new(&[vec![1, 7, 2], vec![1, 9, 8, 2]], &[0, 1], 2, &Device::Cpu).unwrap();
        let pass = || {
            let hidden = network.hidden(&batch, Some(Key::new(1))).unwrap();
            (network.logits(&hidden, &batch, Some(Key::new(1))).unwrap(), hidden)
        };
        let store = cross_entropy(&pass().0, &[0, 2], 0.0).unwrap().backward().unwrap();
        network.check_gradients(&store, false).unwrap();
        assert!(network.check_gradients(&store, true).is_err());
        let (logits, hidden) = pass();
        let tokens = network.next_token_loss(&hidden.flatten(0, 1).unwrap(), &[7, 2, 9, 9, 9, 8, 2, 9], 9).unwrap();
        assert_eq!(tokens.rows, 4);
        let store = (cross_entropy(&logits, &[0, 2], 0.0).unwrap() + tokens.sum).unwrap().backward().unwrap();
        network.check_gradients(&store, true).unwrap();
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
