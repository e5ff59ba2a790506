//! One step: gradients of some batches, the guard's word on them, the optimiser's step; or the batch is kept aside.

use super::Trainer;
use crate::error::{Error, Result};
use crate::guard::{MOST_IN_A_ROW, Reason};
use crate::models::State;
use crate::nn::backward;
use crate::optimiser::Gradients;
use crate::random::Key;
use serde_json::{Value, json};
use tongues_pipeline::io::atomic;
use tongues_pipeline::tokens::Split;

/// What a step did.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Mean, nats per target: the next token, or a hidden one.
    pub loss: f64,
    /// Global norm before clipping.
    pub gradient_norm: f64,
    /// The learning rate.
    pub rate: f64,
    /// Why it was not taken, if so.
    pub skipped: Option<Reason>,
}

impl Trainer<'_> {
    /// Does the next step, or skips it.
    ///
    /// # Errors
    /// A parameter without a gradient, the third skipped step in a row.
    pub(super) fn step(&mut self) -> Result<Step> {
        self.state.step += 1;
        let (loss, mut gradients) = self.gradients()?;
        let gradient_norm = gradients.clip(self.settings.clip)?;
        let rate = self.settings.schedule.at(self.state.step, self.steps);
        let skipped = self.state.guard.judge(&self.settings.guard, loss, gradient_norm);
        let step = Step { loss, gradient_norm, rate, skipped };
        if let Some(reason) = skipped {
            self.carried = State::default(); // it may be no numbers
            self.set_aside(&step, reason)?;
        } else {
            self.state.guard.took(&self.settings.guard, loss);
            self.optimiser.step(self.model.parameters(), &gradients, rate)?;
            self.average.step(self.model.parameters())?;
        }
        Ok(step)
    }

    /// Mean loss in nats per target over the batches of this step (of each batch alike, whatever its number of targets),
    /// and its gradients.
    fn gradients(&mut self) -> Result<(f64, Gradients)> {
        let (mut gradients, mut mean) = (Gradients::default(), 0.0);
        for number in self.batches() {
            let batch = self.sampler.batch(number, self.settings.batch_size);
            let batch = if self.settings.separate_documents { batch } else { batch.joined() };
            let key = Key::new(self.settings.seed).named("dropout").stream(number);
            let before = self.carried.only(&batch.continues)?;
            let (loss, carried) = self.model.loss(&batch, &before, key)?;
            self.carried = carried;
            let share = 1.0 / (self.settings.accumulation * loss.rows) as f64;
            mean += f64::from(loss.sum.to_scalar::<f32>()?) * share;
            let store = backward(&loss.sum)?;
            drop(loss); // and with it what the forward pass kept
            if number == 0 && mean.is_finite() {
                self.model.parameters().check_gradients(&store)?;
            }
            gradients.add(self.model.parameters(), store, share)?;
        }
        Ok((mean, gradients))
    }

    /// The numbers of this step's batches.
    fn batches(&self) -> std::ops::Range<u64> {
        let each = self.settings.accumulation as u64;
        (self.state.step - 1) * each..self.state.step * each
    }

    /// Tokens in one step.
    pub(super) fn tokens_a_step(&self) -> usize {
        self.settings.batch_size * self.settings.accumulation * self.config.window()
    }

    /// Keeps what the skipped step was made of in `training/skipped/`, for whoever looks for the cause.
    fn set_aside(&mut self, step: &Step, reason: Reason) -> Result<()> {
        let (rows, t) = (self.settings.batch_size, self.config.window());
        let (mut windows, mut documents): (Vec<Value>, Vec<String>) = (Vec::new(), Vec::new());
        for number in self.batches() {
            let batch = self.sampler.batch(number, rows);
            for (row, language) in batch.languages.iter().enumerate() {
                let (first, length) = (row * t, batch.lengths[row]);
                let last = &batch.targets[first + length - 1];
                let tokens: Vec<&u32> = batch.ids[first..first + length].iter().chain(Some(last)).collect();
                windows.push(json!({ "language": language, "tokens": tokens }));
            }
            let ids = self.sampler.documents(number, rows).into_iter();
            documents.extend(ids.map(|(language, document)| self.source.id(language, Split::Train, document)));
        }
        documents.sort();
        documents.dedup();
        let number = self.state.step;
        let folder = self.folder.join("training/skipped");
        let about = json!({ "step": number, "reason": reason.id(), "loss": step.loss,
            "gradient_norm": step.gradient_norm, "documents": documents, "windows": windows });
        let bytes = serde_json::to_vec(&about).expect("plain data");
        atomic::write(&folder.join(format!("step-{number:08}.json")), &bytes)?;
        match self.state.guard.skipped(documents) {
            None => Ok(()),
            Some(documents) => Err(Error::Unstable {
                step: number,
                loss: step.loss,
                gradient_norm: step.gradient_norm,
                reason: reason.id(),
                in_a_row: MOST_IN_A_ROW,
                folder: folder.display().to_string(),
                documents: documents.join(", "),
            }),
        }
    }
}
