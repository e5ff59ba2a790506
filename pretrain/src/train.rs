//! The training loop. Settings, a step, a look at the held-out documents have files of their own in `train/`.

mod look;
mod samples;
mod settings;
mod step;

pub use settings::TrainSettings;
pub use step::Step;

use crate::average::Average;
use crate::batch::{self, Sampler, TokenSource};
use crate::checkpoint::{self, State};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::metrics::{self, Clock};
use crate::models::{self, Model, ModelConfig, State as Carried};
use crate::optimiser::Optimiser;
use crate::tokenizer_files;
use candle_core::Device;
use serde_json::{Value, json};
use std::path::Path;
use tongues_pipeline::progress::Progress;

/// Trains into `folder` (goes on from the checkpoint there, if any); gives the best model by its held-out figure,
/// which is also what `folder` holds in the end. A vocabulary size of 0 is taken from the tokens; `tokens_key` says in
/// the checkpoint which tokens these are.
///
/// # Errors
/// Settings that cannot work, a checkpoint of other settings, a parameter that no gradient reaches, three steps in a row
/// that had to be skipped, an interruption, files that cannot be read or written.
pub fn run(
    model: &ModelConfig,
    settings: &TrainSettings,
    source: (&dyn TokenSource, &str),
    folder: &Path,
    device: &Device,
    progress: &dyn Progress,
) -> Result<Box<dyn Model>> {
    let mut trainer = Trainer::open(model, settings, source, folder, device)?;
    let clock = Clock::start(trainer.state.step, trainer.steps, trainer.tokens_a_step());
    progress.begin("training", Some(trainer.steps), "steps");
    progress.advance(trainer.state.step);
    let mut looked = trainer.state.step > 0; // a checkpoint is written after the look
    loop {
        if !looked && trainer.is_due(settings.evaluate_every) {
            trainer.look()?;
        }
        let (done, interrupted) = (trainer.is_done(), progress.interrupted());
        if done || interrupted || trainer.state.step > clock.first && trainer.is_to_be_saved() {
            trainer.save()?;
        }
        if done {
            break;
        }
        if interrupted {
            return Err(Error::Interrupted);
        }
        let step = trainer.step()?;
        looked = false;
        trainer.log(&clock.line(trainer.state.step, &step))?;
        progress.advance(1);
        progress.note(&clock.note(trainer.state.step, &step));
    }
    progress.end();
    drop(trainer); // before there is another model
    models::load(folder, device)
}

/// A run: everything that changes is in the checkpoint.
struct Trainer<'a> {
    /// With the batch that suits the corpus.
    settings: TrainSettings,
    source: &'a dyn TokenSource,
    folder: &'a Path,
    sampler: Sampler<'a>,
    steps: u64,
    model: Box<dyn Model>,
    config: ModelConfig,
    optimiser: Optimiser,
    average: Average,
    /// What the model remembers of the rows of the last batch.
    carried: Carried,
    state: State,
    events: Events,
}

impl<'a> Trainer<'a> {
    /// At the start, or where the checkpoint in `folder` is.
    fn open(
        model: &ModelConfig,
        settings: &TrainSettings,
        (source, tokens_key): (&'a dyn TokenSource, &str),
        folder: &'a Path,
        device: &Device,
    ) -> Result<Trainer<'a>> {
        settings.check()?;
        let config = model.for_vocabulary(source.vocabulary_size())?;
        if config.needs_words() && source.vocabulary().is_none() {
            return Err(Error::Settings("whole_words: it is not known which tokens begin a word".to_owned()));
        }
        let window = config.window();
        let settings = settings.for_corpus(batch::training_bytes(source), window);
        let model = models::new(&config, settings.seed, device)?;
        let model = model.for_training(settings.precision, settings.recompute)?;
        let mut optimiser = Optimiser::new(model.parameters(), settings.optimiser)?;
        let mut average = Average::new(settings.averaging(), model.parameters())?;
        let sampler = Sampler::new(source, config.special(), window, settings.alpha, settings.seed)?;
        let sampler = sampler.with(settings.language_per);
        let sampler = sampler.consecutive(settings.consecutive_windows(config.carries_state()));
        let steps = settings.steps_over(sampler.tokens(), window);
        let asked = json!({ "model": config, "training": settings.of_result(), "tokens": tokens_key });
        if config.carries_state() && settings.separate_documents {
            return Err(Error::Settings(
                "separate_documents is true; expected false: a recurrent model reads on from one document to the next"
                    .to_owned(),
            ));
        }
        let mut carried = Carried::default();
        let stored = checkpoint::load(folder, &asked, &*model, &mut optimiser, &mut average, &mut carried)?;
        let state = stored.unwrap_or_else(|| State::new(asked));
        metrics::cut_after(folder, state.step)?;
        let events = Events::create(folder, state.step + 1)?;
        Ok(Trainer {
            settings,
            source,
            folder,
            sampler,
            steps,
            model,
            config,
            optimiser,
            average,
            carried,
            state,
            events,
        })
    }

    /// Whether something that is done every so many steps, and at the end, is to be done now.
    fn is_due(&self, every: u64) -> bool {
        self.state.step.is_multiple_of(every) || self.state.step == self.steps
    }

    fn is_done(&self) -> bool {
        let patience = self.settings.patience;
        let patient = patience == 0 || self.state.without_improvement < patience || self.average.is_awaited();
        self.state.step >= self.steps || !patient
    }

    fn is_to_be_saved(&self) -> bool {
        let TrainSettings { save_every, keep_every, .. } = self.settings;
        self.state.step.is_multiple_of(save_every) || keep_every > 0 && self.state.step.is_multiple_of(keep_every)
    }

    /// One line for people and scripts, the same for TensorBoard.
    fn log(&mut self, line: &Value) -> Result<()> {
        metrics::log(self.folder, line)?;
        self.events.add(line)
    }

    fn save(&self) -> Result<()> {
        let state = self.state.clone();
        if let Some(vocabulary) = self.source.vocabulary() {
            tokenizer_files::write(vocabulary, &self.config, &checkpoint::step_folder(self.folder, state.step))?;
        }
        let keep_every = self.settings.keep_every;
        checkpoint::save(self.folder, state, keep_every, &*self.model, &self.optimiser, &self.average, &self.carried)
    }
}

#[cfg(test)]
mod tests;
