//! What a training step of the encoder holds: its operations one after the other, as `models/encoder.rs` and
//! `models/encoder_block.rs` run them.

use crate::memory::{Ledger, Pass, Shape, Sizes};
use crate::models::encoder_config::EncoderConfig;
use crate::models::encoder_weights::weights;
use crate::models::memory::shapes;
use crate::nn::attention::block_of_queries;
use crate::nn::cross_entropy;

impl Sizes for EncoderConfig {
    fn shapes(&self) -> Vec<Shape> {
        shapes(weights(self))
    }

    /// The head multiplies only what is hidden; every query sees T keys.
    fn products_per_token(&self) -> f64 {
        let EncoderConfig { hidden_size: d, layers, intermediate_size: f, context_length: t, .. } = *self;
        let head = self.masked_share * (d * d + self.vocabulary_size * d) as f64;
        6.0 * ((layers * (4 * d * d + 2 * d * f)) as f64 + head) + (12 * layers * d * t) as f64
    }

    fn step(&self, rows: usize, pass: Pass, ledger: &mut Ledger) {
        Step::new(self, rows, pass).play(ledger);
    }
}

/// Sizes of a step, in numbers.
struct Step<'a> {
    config: &'a EncoderConfig,
    pass: Pass,
    /// N, tokens.
    n: usize,
    /// N · D: states of all tokens.
    states: usize,
    /// M, hidden tokens.
    masked: usize,
    /// Weights of a block.
    block: usize,
    /// Queries', keys' and values' maps as one.
    joined: usize,
    /// What the blocks of attention need on all threads.
    scratch: usize,
    /// B · H · T, and that times T.
    scores: [usize; 2],
}

impl<'a> Step<'a> {
    fn new(config: &'a EncoderConfig, rows: usize, pass: Pass) -> Step<'a> {
        let EncoderConfig { hidden_size: d, heads: h, context_length: t, .. } = *config;
        let (n, k, threads) = (rows * t, d / h, rayon::current_num_threads());
        let one = EncoderConfig { layers: 1, ..config.clone() };
        let none = EncoderConfig { layers: 0, ..config.clone() };
        Step {
            config,
            pass,
            n,
            states: n * d,
            masked: (config.masked_share * n as f64).ceil() as usize,
            block: one.parameters() - none.parameters(),
            joined: 3 * d * d + 3 * d,
            scratch: threads * (9 * t * k + 2 * block_of_queries(t) * t),
            scores: [rows * h * t, rows * h * t * t],
        }
    }

    fn play(&self, ledger: &mut Ledger) {
        let (d, v, layers) = (self.config.hidden_size, self.config.vocabulary_size, self.config.layers);
        // Embedding, positions, their sum, with the kind of segment, normed, after dropout.
        let before = (5 + usize::from(self.config.dropout > 0.0)) * self.states;
        ledger.hold(before);
        for _ in 0..layers {
            ledger.pass(self.kept() + self.scratch);
            ledger.hold(if self.pass.recompute { self.states } else { self.kept() });
        }
        // The head: the states that count, the map, GELU, the norm; then the gradients by the last and by the embedding.
        let of_head = 4 * self.masked * d;
        ledger.hold(of_head + self.masked * d + v * d + v);
        self.loss(ledger);
        // candle adds each gradient to zeros; in the end the one by the last states is there.
        ledger.pass(2 * self.states);
        ledger.hold(self.states);
        for _ in 0..layers {
            if self.pass.recompute {
                ledger.pass(self.kept() + self.scratch);
                ledger.hold(self.states + self.kept()); // the input as a variable; all that is kept
            }
            self.block_backward(ledger);
            if self.pass.recompute {
                ledger.free(self.states + self.kept());
            }
            ledger.pass(2 * self.states);
        }
        ledger.pass(3 * self.states);
        ledger.hold(self.config.parameters() - layers * self.block - v * d - v);
        let blocks = if self.pass.recompute { layers * self.states } else { layers * self.kept() };
        ledger.free(before + blocks + of_head + self.masked * d + self.states);
    }

    /// Cross-entropy: logits of a chunk, beside the gradients.
    fn loss(&self, ledger: &mut Ledger) {
        let v = self.config.vocabulary_size;
        if self.pass.fused {
            ledger.pass(cross_entropy::held(self.masked, v, self.config.hidden_size));
        } else {
            let chunk = self.masked.min((crate::nn::plain::CHUNK / v).max(1)) * v;
            ledger.pass(6 * chunk + 3 * v * self.config.hidden_size);
        }
    }

    /// What a block keeps for its backward pass: its result, and of its operations what is another's input.
    fn kept(&self) -> usize {
        let (d, f) = (self.config.hidden_size, self.config.intermediate_size);
        if self.pass.fused {
            // Queries, keys and values; attention, its map, the sum, the norm; up, GELU, down, the sum, the norm.
            return self.n * (3 * d + 4 * d + 2 * f + 3 * d) + self.scores[0] + self.joined;
        }
        // In candle's own operations: queries, keys and values cut out, turned and scaled, norms and GELU of many steps.
        let dropped = if self.config.dropout > 0.0 { 4 * d } else { 0 }; // masks and products
        self.n * (25 * d + 6 * f + dropped) + 5 * self.scores[1] + self.joined
    }

    /// A block's backward pass: holds the gradients of its weights after.
    fn block_backward(&self, ledger: &mut Ledger) {
        let (d, f) = (self.config.hidden_size, self.config.intermediate_size);
        ledger.hold(self.block);
        let plain = if self.pass.fused { 0 } else { 16 * self.scores[1] + 6 * self.n * f };
        // The gradient of the residual stream and, of the widest operation, one that comes in and three that go out; of
        // the joined maps their gradient and its parts.
        ledger.pass(self.n * (d + (3 * f + d).max(6 * d)) + self.scratch.max(plain) + self.joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny() -> EncoderConfig {
        let sizes = EncoderConfig { hidden_size: 8, layers: 1, heads: 2, intermediate_size: 12, ..Default::default() };
        EncoderConfig { vocabulary_size: 10, mask: 9, context_length: 5, dropout: 0.0, masked_share: 0.2, ..sizes }
    }

    #[test]
    fn the_products_of_a_token_by_hand() {
        // A layer: 4 · 8 · 8 of attention, 2 · 8 · 12 of the feed-forward part; a fifth of the head's 8 · 8 and 10 · 8;
        // 5 keys.
        let expected = 6.0 * (256.0 + 192.0 + 0.2 * 144.0) + 12.0 * 8.0 * 5.0;
        assert!((tiny().products_per_token() - expected).abs() < 1e-9);
    }

    #[test]
    fn the_gradients_are_left_and_recomputing_holds_less() {
        for (fused, dropout) in [(true, 0.0), (true, 0.1), (false, 0.1)] {
            let config = EncoderConfig { layers: 6, dropout, context_length: 64, ..tiny() };
            let most = [false, true].map(|recompute| {
                let mut ledger = Ledger::default();
                config.step(2, Pass { recompute, fused }, &mut ledger);
                assert_eq!(ledger.now(), config.parameters() as u64, "{recompute}, {fused}, {dropout}");
                ledger.most()
            });
            assert!(2 * most[1] < most[0], "{fused}, {dropout}: {most:?}");
        }
    }
}
