//! The one error type of this crate.

/// What can stop training or evaluation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file, a stage folder, an interruption while reading.
    // Not `transparent`: who looks for an interruption walks the chain of sources and has to meet it there.
    #[error("{0}")]
    Pipeline(#[from] tongues_pipeline::error::Error),
    /// The tensor library said no.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// Settings or a configuration that cannot work.
    #[error("{0}")]
    Settings(String),
    /// A stored tensor or setting is not what this model needs.
    #[error("{place}: found {found}; expected {expected}")]
    Mismatch {
        /// File and tensor or key.
        place: String,
        /// What came.
        found: String,
        /// What would have been right.
        expected: String,
    },
    /// The loss does not depend on these parameters: a layer lost the gradient on the way.
    #[error("no gradient reaches {}: the loss does not depend on it, training would leave it as it is", .0.join(", "))]
    NoGradient(Vec<String>),
    /// The loss is no longer a number.
    #[error("step {step}: the loss is {loss}; lower the learning rate or clip the gradient")]
    Diverged {
        /// Optimiser step, from 1.
        step: u64,
        /// What came instead of a finite loss, nats per token.
        loss: f64,
    },
    /// No token can be chosen.
    #[error("no token can be chosen: none is allowed, or the model's logits are no numbers")]
    NoLogits,
    /// Several steps in a row could not be taken.
    #[error(
        "step {step}: the loss is {loss}, the gradient's norm {gradient_norm} ({reason}); it is the step number {in_a_row} \
         in a row that had to be skipped. The batches are in {folder}, from the documents {documents}. Lower the learning \
         rate, or look at these documents"
    )]
    Unstable {
        /// From 1.
        step: u64,
        /// Nats per token.
        loss: f64,
        /// Before clipping.
        gradient_norm: f64,
        /// Id of the reason.
        reason: &'static str,
        /// How many.
        in_a_row: u32,
        /// Where the batches are.
        folder: String,
        /// Ids of the documents in them.
        documents: String,
    },
    /// Asked to stop; a checkpoint was written.
    #[error("interrupted; run the same command again to go on")]
    Interrupted,
}

/// Result with this crate's error.
pub type Result<T> = std::result::Result<T, Error>;
