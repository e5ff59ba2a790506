//! What a training step of the decoder holds: its operations one after the other, as `models/blocks.rs` and `nn` run them.
//!
//! In the comments, widths are per token: D hidden, J = (H + 2G) · K of queries, keys and values, A = H · K of attention's
//! result, F feed-forward.

use crate::memory::{Ledger, Pass, Shape, Sizes};
use crate::models::config::DecoderConfig;
use crate::models::layout::Layout;
use crate::models::weights::{HEAD, Weight, weights};
use crate::nn::attention::block_of_queries;
use crate::nn::cross_entropy;

/// Tensors as a forecast knows them.
pub(super) fn shapes(weights: Vec<Weight>) -> Vec<Shape> {
    let shape = |weight: Weight| Shape { name: weight.name, axes: weight.shape, is_embedding: weight.is_embedding };
    weights.into_iter().map(shape).collect()
}

impl Sizes for DecoderConfig {
    fn shapes(&self) -> Vec<Shape> {
        shapes(weights(self))
    }

    /// A query sees (T + 1) / 2 keys on average.
    fn products_per_token(&self) -> f64 {
        let head = self.vocabulary_size * self.hidden_size;
        let maps = weights(self).into_iter().filter(|weight| weight.shape.len() > 1 && !weight.is_embedding);
        let matrices: usize =
            maps.filter(|weight| weight.name != HEAD).map(|weight| weight.shape.iter().product::<usize>()).sum();
        let keys = (self.context_length + 1) as f64 / 2.0;
        6.0 * (matrices + head) as f64 + (12 * self.layers * self.heads * self.width_of_head()) as f64 * keys
    }

    fn step(&self, rows: usize, pass: Pass, ledger: &mut Ledger) {
        Step::new(self, rows, pass).play(ledger);
    }
}

/// Sizes of a step, in numbers.
struct Step<'a> {
    config: &'a DecoderConfig,
    pass: Pass,
    /// N, tokens.
    n: usize,
    /// N · D: states of all tokens.
    states: usize,
    /// D, J, A and F.
    widths: [usize; 4],
    /// Weights of a block, and of its first half.
    block: [usize; 2],
    /// What the blocks of attention need on all threads.
    scratch: usize,
    /// B · H · T, and that times T.
    scores: [usize; 2],
}

impl<'a> Step<'a> {
    fn new(config: &'a DecoderConfig, rows: usize, pass: Pass) -> Step<'a> {
        let DecoderConfig { hidden_size: d, heads: h, context_length: t, intermediate_size: f, .. } = *config;
        let (k, g, n) = (config.width_of_head(), config.heads_of_keys(), rows * config.context_length);
        let one = DecoderConfig { layers: 1, ..config.clone() };
        let none = DecoderConfig { layers: 0, ..config.clone() };
        let block = one.parameters() - none.parameters();
        let halves = if config.layout.is_gpt() { block } else { d + (h + 2 * g) * k * d + h * k * d };
        let threads = rayon::current_num_threads();
        Step {
            config,
            pass,
            n,
            states: n * d,
            widths: [d, (h + 2 * g) * k, h * k, f],
            block: [block, halves],
            scratch: threads * (9 * t * k + 2 * block_of_queries(t) * t),
            scores: [rows * h * t, rows * h * t * t],
        }
    }

    fn play(&self, ledger: &mut Ledger) {
        let (layers, layout) = (self.config.layers, self.config.layout);
        let before = self.before_the_blocks();
        ledger.hold(before * self.states);
        for _ in 0..layers {
            if self.pass.recompute {
                ledger.pass(self.kept() + self.block_forward());
                ledger.hold(self.states); // the block's result, beside that which it is copied from
                ledger.pass(self.states);
            } else {
                ledger.pass(self.kept() + self.block_forward());
                ledger.hold(self.kept() + self.results());
            }
        }
        let last = if layout == Layout::Gpt1 { 0 } else { self.states }; // each block of GPT ends with a norm
        ledger.hold(last);
        self.loss(ledger);
        // Now the gradient by the last states is there. Each operation takes one and gives one, which candle adds to zeros.
        let handed_on = 3 * self.states;
        ledger.pass(handed_on);
        for _ in 0..layers {
            if self.pass.recompute {
                ledger.pass(self.kept() + self.block_forward());
                ledger.hold(self.states + self.kept() + self.results()); // the input as a variable; all that is kept
                self.block_backward(ledger);
                ledger.free(self.states + self.results() + if self.frees() { 0 } else { self.kept() });
            } else {
                self.block_backward(ledger);
            }
            ledger.pass(handed_on);
        }
        ledger.pass(handed_on);
        ledger.hold(self.config.parameters() - layers * self.block[0] - self.head());
        let blocks = if self.pass.recompute { layers * self.states } else { layers * self.results() };
        ledger.free(before * self.states + last + self.states + blocks);
        if !self.pass.recompute && !self.frees() {
            ledger.free(layers * self.kept());
        }
    }

    /// Weights of the head.
    fn head(&self) -> usize {
        self.config.vocabulary_size * self.config.hidden_size
    }

    /// States that are there before the first block: of the embedding, with positions, after dropout.
    fn before_the_blocks(&self) -> usize {
        1 + usize::from(self.config.layout.positions().is_some()) + usize::from(self.config.dropout > 0.0)
    }

    /// Cross-entropy: logits of a chunk, the gradients by the states and by the head.
    fn loss(&self, ledger: &mut Ledger) {
        let (v, head) = (self.config.vocabulary_size, self.head());
        ledger.hold(self.states + head);
        if self.pass.fused {
            ledger.pass(cross_entropy::held(self.n, v, self.config.hidden_size));
            ledger.pass(2 * self.states);
        } else {
            let chunk = self.n.min((crate::nn::plain::CHUNK / v).max(1)) * v;
            ledger.pass(6 * chunk + head);
            ledger.pass(2 * self.states + 3 * head);
        }
    }

    /// Whether a block's backward pass gives back what the forward pass kept.
    fn frees(&self) -> bool {
        self.pass.fused && !self.config.layout.is_gpt()
    }

    /// What a block keeps for its backward pass, beside results that are another operation's input.
    fn kept(&self) -> usize {
        let [d, j, a, f] = self.widths;
        let dropped = if self.config.dropout > 0.0 { 4 * d } else { 0 }; // masks and products, of the plain path
        let gated = !self.config.layout.is_gpt();
        match (self.pass.fused, gated) {
            (true, true) => self.n * (j + a + 2 * f) + self.scores[0],
            // Norm, c_attn, attention, c_proj; norm, c_fc, GELU, c_proj.
            (true, false) => self.n * (d + j + 2 * d + d + 2 * f + d) + self.scores[0],
            // RMS norms 3 D each; queries, keys and values cut out, turned (4.5), scaled, transposed; two maps; the unit.
            (false, true) => {
                self.n * (8 * d + 3 * j + 9 * (j - a) / 2 + 9 * a / 2 + 4 * a + 4 * f + dropped)
                    + 5 * self.scores[1]
                    + (j + 2 * f) * d
            }
            (false, false) => self.n * (12 * d + 3 * j + 4 * a + 3 * f + dropped) + 5 * self.scores[1],
        }
    }

    /// Results of a block's halves.
    fn results(&self) -> usize {
        2 * self.states
    }

    /// What a block's forward pass takes for a moment beside what it keeps.
    fn block_forward(&self) -> usize {
        let [d, _, _, f] = self.widths;
        match self.pass.fused && !self.config.layout.is_gpt() {
            true => self.n * (2 * d + f).max(3 * d) + self.scratch,
            false => self.states + self.scratch,
        }
    }

    /// A block's backward pass: holds the gradients of its weights after.
    fn block_backward(&self, ledger: &mut Ledger) {
        let [d, j, a, f] = self.widths;
        let [block, first_half] = self.block;
        let mask = if self.config.dropout > 0.0 { d } else { 0 };
        if self.frees() {
            // Feed-forward half: the unit's result, the normed input, the gradient by the input.
            ledger.hold(block - first_half);
            ledger.pass(self.n * (mask + f + 2 * d));
            ledger.free(self.n * 2 * f);
            ledger.pass(3 * self.states);
            // Attention half: the gradients by attention's result and by queries, keys and values; then as above.
            ledger.hold(first_half);
            ledger.pass(self.n * (mask + a + j) + self.scratch);
            ledger.free(self.n * (j + a) + self.scores[0]);
            ledger.pass(self.n * (mask + a.max(d) + j + d));
            return;
        }
        ledger.hold(block);
        // candle's quotient and exponential take many tensors like the scores, its GELU some like its input; so many were
        // measured in f64 on the CPU, which takes the same path.
        let gelu = if self.config.layout.is_gpt() { 6 * self.n * f } else { 0 };
        let plain = if self.pass.fused { 0 } else { 16 * self.scores[1] + gelu };
        // The gradient of the residual stream and, of the widest operation, one that comes in and three that go out.
        ledger.pass(self.n * (2 * d + (4 * f).max(3 * j + d)) + self.scratch.max(plain));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// N 5, states 40, J 24, A 8, F 12; a block of 560 weights (2 · 8 + 4 · 64 + 3 · 96), 264 of them in its first half.
    fn tiny() -> DecoderConfig {
        let sizes = DecoderConfig { hidden_size: 8, layers: 1, heads: 2, intermediate_size: 12, ..Default::default() };
        DecoderConfig { vocabulary_size: 10, context_length: 5, dropout: 0.0, ..sizes }
    }

    fn step(config: &DecoderConfig, recompute: bool) -> Ledger {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let mut ledger = Ledger::default();
        pool.install(|| config.step(1, Pass { recompute, fused: true }, &mut ledger));
        ledger
    }

    #[test]
    fn the_products_of_a_token_by_hand() {
        // A layer: 4 · 8 · 8 of attention, 3 · 8 · 12 of the feed-forward part; the head 80; on average 3 keys.
        let two = DecoderConfig { layers: 2, ..tiny() };
        let expected = 6.0 * (2.0 * (256.0 + 288.0) + 80.0) + 12.0 * 2.0 * 8.0 * 3.0;
        assert_eq!(two.products_per_token(), expected);
        // A head of its own takes part once, too; learned positions are not multiplied with. 2 · 8 · 12 without a gate.
        let other = DecoderConfig { layout: Layout::Gpt2, tied_embeddings: false, ..two };
        assert_eq!(other.products_per_token(), expected - 6.0 * 2.0 * 96.0);
    }

    #[test]
    fn a_step_by_hand() {
        // One thread's scratch: 4 · 5 · 4 + 2 · 5 · 5 = 130. Kept by a block: 5 · (24 + 8 + 24) + 10 = 290.
        // Forward: embedding 40, block 290 + 80, norm 40, gradients by states and head 40 + 80: 570.
        // Feed-forward half back: 296 weights, 866; 120 of what was kept goes: 746.
        // Attention half back: 264 weights, 1010; gradients by A and J 160 and scratch: 1300, the most.
        // In the end the gradients of all 648 weights.
        let ledger = step(&tiny(), false);
        assert_eq!((ledger.now(), ledger.most()), (648, 1300));
    }

    #[test]
    fn a_recomputed_step_by_hand() {
        // Forward: embedding 40, the block's result 40, norm 40, gradients 120: 240.
        // Back: the input again 40, 290 + 80 as above: 650; with 296 and 264 weights, without 120: 1090; 290 more at the
        // most. One block alone has nothing to win by it,
        assert_eq!(step(&tiny(), true).most(), 1380);
        // but each further block costs 40 in the forward pass, not 370, and its 560 weights in the backward pass.
        let deep = DecoderConfig { layers: 9, ..tiny() };
        assert_eq!(step(&deep, true).most(), 1380 + 8 * (40 + 560));
        assert!(step(&deep, false).most() > 570 + 8 * 370);
        assert_eq!(step(&deep, true).now(), deep.parameters() as u64);
    }

    #[test]
    fn whatever_the_layout_the_gradients_are_left() {
        for layout in Layout::ALL {
            for (recompute, fused, tied_embeddings) in
                [(false, true, true), (true, true, false), (false, false, true), (true, false, false)]
            {
                let config = DecoderConfig { layout, tied_embeddings, layers: 3, dropout: 0.1, ..tiny() };
                let mut ledger = Ledger::default();
                config.step(2, Pass { recompute, fused }, &mut ledger);
                assert_eq!(ledger.now(), config.parameters() as u64, "{layout:?}, {recompute}, {fused}");
            }
        }
    }
}
