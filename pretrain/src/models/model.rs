//! What training, checkpoints, evaluation and fine-tuning know of a model, whatever it is made of.
//!
//! A new kind of model is a configuration in [`ModelConfig`] and an implementation of [`Model`]; nothing else asks which
//! kind it has.

use crate::batch::{Batch, IGNORED, TokenSource};
use crate::error::Result;
use crate::evaluate::{self, Figures};
use crate::models::causal::Causal;
use crate::models::decoder::Decoder;
use crate::models::encoder::Encoder;
use crate::models::model_config::ModelConfig;
use crate::models::recurrent::Recurrent;
use crate::models::state::State;
use crate::nn::cross_entropy::Loss;
use crate::nn::{Seen, cross_entropy};
use crate::parameters::Parameters;
use crate::precision::Precision;
use crate::random::Key;
use candle_core::{Device, Tensor};
use std::fmt::Debug;
use std::path::Path;
use tongues_languages::Tag;
use tongues_pipeline::progress::Progress;
use tongues_pipeline::tokens::Split;

/// A model with its parameters.
pub trait Model: Debug + Send + Sync {
    /// What it is made by.
    fn config(&self) -> ModelConfig;

    /// Its parameters, by Hugging Face's names.
    fn parameters(&self) -> &Parameters;

    /// Where they are.
    fn device(&self) -> &Device;

    /// The same weights without a graph, sharing storage: for evaluation and prediction.
    fn detached(&self) -> Box<dyn Model>;

    /// The same kind and sizes over other parameters, among which may be some of another's, and with another dropout.
    fn with_parameters(&self, parameters: Parameters, dropout: f64) -> Result<Box<dyn Model>>;

    /// The same with products in this precision, and with blocks that are computed again in the backward pass to save
    /// memory; what is detached from it has products in f32.
    ///
    /// # Errors
    /// A model whose blocks cannot be computed again.
    fn for_training(self: Box<Self>, precision: Precision, recompute: bool) -> Result<Box<dyn Model>>;

    /// The same as what can go on with a text, if it can.
    fn as_causal(&self) -> Option<&dyn Causal> {
        None
    }

    /// The encoder, if it is one: what can tell hidden tokens.
    fn as_encoder(&self) -> Option<&Encoder> {
        None
    }

    /// Writes `config.json` and `model.safetensors`, a folder that [`load`] reads, and `transformers` where it has such a
    /// model.
    fn save(&self, folder: &Path) -> Result<()>;

    /// Final states (B, T, D) of texts, `ids` (B, T) u32, of which the first `lengths` (B) of each row are real. With a
    /// key, dropout is on.
    fn states(&self, ids: &Tensor, lengths: &[usize], key: Option<Key>) -> Result<Tensor>;

    /// Summed loss in nats of a batch and the number of targets in it, and what is carried to the batch that goes on with
    /// its rows; `before` is what the batch before left, if this one goes on with it, and empty otherwise. Everything
    /// random in it is a function of `key`.
    fn loss(&self, batch: &Batch, before: &State, key: Key) -> Result<(Loss, State)>;

    /// Summed loss in nats of the token after each place, given the final states (N, D); targets equal to `ignore` do not
    /// count. Nothing where the states are not made to tell it.
    fn next_token_loss(&self, states: &Tensor, targets: &[u32], ignore: u32) -> Result<Option<Loss>>;

    /// What training watches, the lower the better, by language on at most `documents` held-out documents of each:
    /// [`ModelConfig::watched`] names it.
    fn held_out(&self, source: &dyn TokenSource, documents: usize, progress: &dyn Progress) -> Result<Vec<(Tag, f64)>>;

    /// All figures of the model on documents of a split; those of sentences where the source has a vocabulary.
    fn evaluate(
        &self,
        source: &dyn TokenSource,
        settings: &evaluate::Settings,
        progress: &dyn Progress,
    ) -> Result<Figures>;
}

/// A new model, a function of `config` and `seed`.
pub fn new(config: &ModelConfig, seed: u64, device: &Device) -> Result<Box<dyn Model>> {
    Ok(match config {
        ModelConfig::Decoder(config) => Box::new(Decoder::new(config, seed, device)?),
        ModelConfig::Encoder(config) => Box::new(Encoder::new(config, seed, device)?),
        ModelConfig::Recurrent(config) => Box::new(Recurrent::new(config, seed, device)?),
    })
}

/// Reads `config.json` and `model.safetensors`, written by [`Model::save`] or by `transformers`.
pub fn load(folder: &Path, device: &Device) -> Result<Box<dyn Model>> {
    Ok(match ModelConfig::read(&folder.join("config.json"))? {
        ModelConfig::Decoder(_) => Box::new(Decoder::load(folder, device)?),
        ModelConfig::Encoder(_) => Box::new(Encoder::load(folder, device)?),
        ModelConfig::Recurrent(_) => Box::new(Recurrent::load(folder, device)?),
    })
}

impl Model for Decoder {
    fn config(&self) -> ModelConfig {
        ModelConfig::Decoder(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn device(&self) -> &Device {
        self.head().device()
    }

    fn detached(&self) -> Box<dyn Model> {
        Box::new(Decoder::detached(self))
    }

    fn with_parameters(&self, parameters: Parameters, dropout: f64) -> Result<Box<dyn Model>> {
        let config = crate::models::decoder::DecoderConfig { dropout, ..self.config.clone() };
        Ok(Box::new(Decoder::with_parameters(&config, parameters)?))
    }

    fn for_training(self: Box<Self>, precision: Precision, recompute: bool) -> Result<Box<dyn Model>> {
        let mut decoder = self.in_precision(precision);
        decoder.recompute = recompute;
        Ok(Box::new(decoder))
    }

    fn as_causal(&self) -> Option<&dyn Causal> {
        Some(self)
    }

    fn save(&self, folder: &Path) -> Result<()> {
        Decoder::save(self, folder)
    }

    /// What fills a row up is behind all that counts, where a causal model does not look.
    fn states(&self, ids: &Tensor, _: &[usize], key: Option<Key>) -> Result<Tensor> {
        self.hidden(ids, key)
    }

    fn loss(&self, batch: &Batch, _: &State, key: Key) -> Result<(Loss, State)> {
        let hidden = self.hidden_seeing(&batch.ids(self.device())?, &batch.seen(Seen::causal())?, Some(key))?;
        let hidden = hidden.flatten(0, 1)?;
        let loss = cross_entropy(&hidden, self.head(), &batch.targets, Some(IGNORED), self.precision())?;
        Ok((loss, State::default()))
    }

    fn next_token_loss(&self, states: &Tensor, targets: &[u32], ignore: u32) -> Result<Option<Loss>> {
        Ok(Some(cross_entropy(states, self.head(), targets, Some(ignore), self.precision())?))
    }

    fn held_out(&self, source: &dyn TokenSource, documents: usize, progress: &dyn Progress) -> Result<Vec<(Tag, f64)>> {
        evaluate::bits_per_byte(self, source, Split::Validation, Some(documents), progress)
    }

    fn evaluate(
        &self,
        source: &dyn TokenSource,
        settings: &evaluate::Settings,
        progress: &dyn Progress,
    ) -> Result<Figures> {
        Ok(Figures::Causal(evaluate::evaluate(self, source, settings, progress)?))
    }
}

impl Model for Encoder {
    fn config(&self) -> ModelConfig {
        ModelConfig::Encoder(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn device(&self) -> &Device {
        Encoder::device(self)
    }

    fn detached(&self) -> Box<dyn Model> {
        Box::new(Encoder::detached(self))
    }

    fn with_parameters(&self, parameters: Parameters, dropout: f64) -> Result<Box<dyn Model>> {
        let config = crate::models::encoder::EncoderConfig { dropout, ..self.config.clone() };
        Ok(Box::new(Encoder::with_parameters(&config, parameters)?))
    }

    fn for_training(self: Box<Self>, precision: Precision, recompute: bool) -> Result<Box<dyn Model>> {
        let mut encoder = self.in_precision(precision);
        encoder.recompute = recompute;
        Ok(Box::new(encoder))
    }

    fn as_encoder(&self) -> Option<&Encoder> {
        Some(self)
    }

    fn save(&self, folder: &Path) -> Result<()> {
        Encoder::save(self, folder)
    }

    fn states(&self, ids: &Tensor, lengths: &[usize], key: Option<Key>) -> Result<Tensor> {
        self.hidden(ids, &Seen::bidirectional().padded(lengths, ids.dim(1)?)?, key)
    }

    /// Which tokens are hidden is drawn anew for each key.
    fn loss(&self, batch: &Batch, _: &State, key: Key) -> Result<(Loss, State)> {
        let masking = self.config.masking().sparing(batch.language_tokens().iter().copied());
        let mut hidden = masking.hide(&batch.ids, batch.window(), batch.begins_word(), key.named("masks"));
        if hidden.places.is_empty() {
            // Special tokens alone, the end of an epoch: it is asked for the first, which it sees.
            (hidden.places, hidden.targets) = (vec![0], vec![batch.ids[0]]);
        }
        let ids = Tensor::from_vec(hidden.ids, (batch.rows(), batch.window()), Encoder::device(self))?;
        let seen = batch.seen(Seen::bidirectional())?;
        Ok((Encoder::loss(self, &ids, &seen, (&hidden.places, &hidden.targets), Some(key))?, State::default()))
    }

    fn next_token_loss(&self, _: &Tensor, _: &[u32], _: u32) -> Result<Option<Loss>> {
        Ok(None)
    }

    fn held_out(&self, source: &dyn TokenSource, documents: usize, progress: &dyn Progress) -> Result<Vec<(Tag, f64)>> {
        evaluate::masked::losses(self, source, Split::Validation, Some(documents), progress)
    }

    fn evaluate(
        &self,
        source: &dyn TokenSource,
        settings: &evaluate::Settings,
        progress: &dyn Progress,
    ) -> Result<Figures> {
        Ok(Figures::Masked(evaluate::masked::evaluate(self, source, settings, progress)?))
    }
}
