//! A look at the held-out documents: by it the best model is told, and training stops.

use super::Trainer;
use crate::batch::Read;
use crate::error::Result;
use serde_json::{Map, Value, json};
use tongues_pipeline::progress::Progress;

/// Says nothing and is not stopped.
pub(super) struct Uninterrupted;

impl Progress for Uninterrupted {
    fn begin(&self, _: &str, _: Option<u64>, _: &'static str) {}
    fn advance(&self, _: u64) {}
    fn note(&self, _: &str) {}
    fn end(&self) {}
    fn interrupted(&self) -> bool {
        false
    }
}

impl Trainer<'_> {
    /// Measures the average of the weights where there is one, else the weights; writes the better model, and samples.
    pub(super) fn look(&mut self) -> Result<()> {
        self.average.exchange(self.model.parameters())?;
        let looked = self.look_at_the_weights().and_then(|()| self.sample());
        self.average.exchange(self.model.parameters())?;
        looked
    }

    /// The model's held-out figure; a model better than all before it is written. Never interrupted half-way: a checkpoint
    /// without this look would go on differently from a run that had it.
    fn look_at_the_weights(&mut self) -> Result<()> {
        let by_language = self.model.held_out(self.source, self.settings.evaluate_documents, &Uninterrupted)?;
        if by_language.is_empty() {
            return self.model.save(self.folder); // nothing held out: the last model is the best
        }
        let mean = by_language.iter().map(|(_, figure)| figure).sum::<f64>() / by_language.len() as f64;
        let languages: Map<String, Value> =
            by_language.iter().map(|(tag, figure)| (tag.to_string(), json!(figure))).collect();
        let watched = self.config.watched();
        let line = json!({ "kind": "validation", "step": self.state.step, watched: mean, "languages": languages,
            "read": self.read() });
        self.log(&line)?;
        let better = self.state.best.is_none_or(|best| mean < best);
        if better {
            (self.state.best, self.state.without_improvement) = (Some(mean), 0);
            self.model.save(self.folder)?;
        } else {
            self.state.without_improvement += 1;
        }
        if self.average.looked(mean) {
            self.state.without_improvement = 0; // an average of the weights has its own chance
        }
        Ok(())
    }

    /// How much of each language's text training has read.
    fn read(&self) -> Value {
        let batches = self.state.step * self.settings.accumulation as u64;
        let of = |read: Read| (read.language.to_string(), json!({ "tokens": read.tokens, "epochs": read.epochs }));
        self.sampler.read(batches, self.settings.batch_size).into_iter().map(of).collect::<Map<_, _>>().into()
    }
}
