//! What training, evaluation and generation know of a recurrent model. In training its state goes from batch to batch; in
//! evaluation from window to window of a document, from nothing at its `<s>`.

use super::reading::StateReader;
use super::{Hidden, Recurrent, RecurrentConfig, RecurrentDropout};
use crate::batch::{Batch, IGNORED, TokenSource};
use crate::error::{Error, Result};
use crate::evaluate::carried::CarriedScorer;
use crate::evaluate::scorer::Scorer;
use crate::evaluate::windows::Stride;
use crate::evaluate::{self, Figures, WindowSettings};
use crate::generate::reader::Reader;
use crate::models::Model;
use crate::models::causal::Causal;
use crate::models::model_config::ModelConfig;
use crate::models::state::State;
use crate::nn::cross_entropy::Loss;
use crate::nn::{linear, smoothed_cross_entropy};
use crate::parameters::Parameters;
use crate::precision::Precision::{self, F32};
use crate::random::Key;
use candle_core::{Device, Tensor};
use std::path::Path;
use tongues_languages::Tag;
use tongues_pipeline::progress::Progress;
use tongues_pipeline::tokens::Split;

impl Model for Recurrent {
    fn config(&self) -> ModelConfig {
        ModelConfig::Recurrent(self.config.clone())
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn device(&self) -> &Device {
        self.head().0.device()
    }

    fn detached(&self) -> Box<dyn Model> {
        Box::new(Recurrent::detached(self))
    }

    /// All five forms of dropout take the one share.
    fn with_parameters(&self, parameters: Parameters, dropout: f64) -> Result<Box<dyn Model>> {
        let config = RecurrentConfig { dropout: RecurrentDropout::all(dropout), ..self.config.clone() };
        Ok(Box::new(Recurrent::with_parameters(&config, parameters)?))
    }

    fn for_training(self: Box<Self>, precision: Precision, recompute: bool) -> Result<Box<dyn Model>> {
        let mut faults = Vec::new();
        if precision != F32 {
            faults.push("precision is \"bf16\"; expected \"f32\": a recurrent model multiplies in f32");
        }
        if recompute {
            faults.push("recompute is true; expected false: a recurrent model keeps what it computed");
        }
        if faults.is_empty() { Ok(self) } else { Err(Error::Settings(faults.join("; "))) }
    }

    fn as_causal(&self) -> Option<&dyn Causal> {
        Some(self)
    }

    fn save(&self, folder: &Path) -> Result<()> {
        Recurrent::save(self, folder)
    }

    /// What fills a row up is behind all that counts, and is read after it.
    fn states(&self, ids: &Tensor, _: &[usize], key: Option<Key>) -> Result<Tensor> {
        let Hidden { dropped, .. } = self.hidden(ids, &State::default(), key)?;
        Ok(dropped.transpose(0, 1)?.contiguous()?)
    }

    fn loss(&self, batch: &Batch, before: &State, key: Key) -> Result<(Loss, State)> {
        let ids = batch.ids(self.head().0.device())?;
        Recurrent::loss(self, &ids, &batch.targets, Some(IGNORED), before, Some(key))
    }

    fn next_token_loss(&self, states: &Tensor, targets: &[u32], ignore: u32) -> Result<Option<Loss>> {
        let (weight, bias) = self.head();
        Ok(Some(smoothed_cross_entropy(states, (weight, Some(bias)), targets, Some(ignore), 0.0, F32)?))
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

impl Causal for Recurrent {
    fn detached_causal(&self) -> Box<dyn Causal> {
        Box::new(Recurrent::detached(self))
    }

    fn logits_of(&self, states: &Tensor) -> Result<Tensor> {
        let (weight, bias) = self.head();
        Ok(linear(states, weight, F32)?.broadcast_add(bias)?)
    }

    /// No token is read twice, whatever is usual of other models; one that was asked for is refused.
    fn window_settings(&self, stride: Stride) -> Result<WindowSettings> {
        stride.of_carried_state()?;
        Ok(WindowSettings::carried(self.config.sequence_length))
    }

    fn scorer(&self, stride: Stride) -> Result<Box<dyn Scorer + '_>> {
        stride.of_carried_state()?;
        Ok(Box::new(CarriedScorer::new(self)))
    }

    fn reader(&self, prompt: &[u32], _: usize) -> Result<(Box<dyn Reader + '_>, Vec<f32>)> {
        let (reader, logits) = StateReader::begin(self, prompt)?;
        Ok((Box::new(reader), logits))
    }
}
