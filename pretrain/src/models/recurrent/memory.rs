//! What a training step of a recurrent model holds: its operations one after the other, as `models/recurrent.rs` and `nn` run
//! them.

use super::{RecurrentConfig, RecurrentLayout, weights};
use crate::memory::{Ledger, Pass, Shape, Sizes};
use crate::nn::cross_entropy;

impl Sizes for RecurrentConfig {
    fn shapes(&self) -> Vec<Shape> {
        let shape = |weight: weights::Weight| {
            let is_embedding = weight.name == weights::EMBEDDING;
            Shape { name: weight.name, axes: weight.shape, is_embedding }
        };
        weights::weights(self).into_iter().map(shape).collect()
    }

    /// Each matrix once a token, the embedding as the head.
    fn products_per_token(&self) -> f64 {
        let matrices = weights::weights(self).into_iter().filter(|weight| weight.shape.len() > 1);
        6.0 * matrices.map(|weight| weight.shape.iter().product::<usize>()).sum::<usize>() as f64
    }

    fn step(&self, rows: usize, pass: Pass, ledger: &mut Ledger) {
        Step { config: self, n: rows * self.sequence_length, rows, fused: pass.fused }.play(ledger);
    }
}

/// Sizes of a step, in numbers.
struct Step<'a> {
    config: &'a RecurrentConfig,
    /// N, tokens.
    n: usize,
    /// B.
    rows: usize,
    fused: bool,
}

/// Of a layer, in numbers.
struct Layer {
    /// What its input is after its dropout, and the matrix after weight drop: results, held to the end.
    dropped: usize,
    /// N · H.
    out: usize,
    /// Gates and cells, held until the layer's backward pass.
    kept: usize,
    /// All its weights.
    weights: usize,
    /// The matrix that is dropped out.
    matrix: usize,
    /// N · I.
    inputs: usize,
    /// The state's matrix in an order of its own, and the state.
    scratch: usize,
}

impl Step<'_> {
    fn play(&self, ledger: &mut Ledger) {
        let (v, d) = (self.config.vocabulary_size, self.config.embedding_size);
        let states = self.n * d;
        let [output, _, input, embedding, _] = self.config.dropout.rates().map(|rate| usize::from(rate > 0.0));
        let before = (1 + embedding + input) * states;
        ledger.hold(before);
        let layers: Vec<Layer> = (0..self.config.layers).map(|layer| self.layer(layer)).collect();
        for layer in &layers {
            ledger.hold(layer.dropped);
            ledger.pass(layer.kept + layer.out + layer.scratch);
            ledger.hold(layer.kept + layer.out);
        }
        ledger.hold(output * states);
        let head = v * d + v;
        self.loss(states, head, ledger);
        let regularised = self.regularised();
        ledger.hold(regularised * states);
        // Now the gradient by the last states is there. That of a mean square is made of some tensors like them.
        ledger.pass((2 + regularised) * states);
        for layer in layers.iter().rev() {
            ledger.hold(layer.weights);
            // The gradient that comes and those that go, by the input and by the dropped matrix, which candle adds to zeros.
            ledger.pass(layer.out + layer.inputs + layer.matrix + layer.scratch);
            ledger.free(layer.kept);
            ledger.pass(3 * layer.inputs + 3 * layer.matrix);
        }
        ledger.pass(3 * states);
        let results: usize = layers.iter().map(|layer| layer.dropped + layer.out).sum();
        ledger.free(before + results + (output + regularised + 1) * states);
    }

    fn layer(&self, layer: usize) -> Layer {
        let ((i, h), window) = (self.config.widths(layer), self.config.window(layer));
        let [_, hidden, _, _, weight] = self.config.dropout.rates().map(|rate| usize::from(rate > 0.0));
        let (gates, weights, matrix) = match self.config.layout {
            RecurrentLayout::AwdLstm => (4 * h, 4 * h * (i + h + 2), weight * 4 * h * h),
            RecurrentLayout::Qrnn => (3 * h, 3 * h * (window * i + 1), weight * 3 * h * window * i),
        };
        let dropped = if layer > 0 { hidden * self.n * i } else { 0 } + matrix;
        // The plain path keeps every step's gates, their parts and what is made of them.
        let kept = if self.fused { gates + h } else { 3 * gates + 8 * h } * self.n;
        let packed = if self.config.layout == RecurrentLayout::AwdLstm { 4 * h * h } else { 0 };
        Layer {
            dropped,
            out: self.n * h,
            kept,
            weights,
            matrix,
            inputs: self.n * i,
            scratch: packed + 2 * self.rows * h,
        }
    }

    /// Cross-entropy: logits of a chunk, the gradients by the states and by the head.
    fn loss(&self, states: usize, head: usize, ledger: &mut Ledger) {
        let v = self.config.vocabulary_size;
        ledger.hold(states + head);
        if self.fused {
            ledger.pass(cross_entropy::held(self.n, v, head / v));
        } else {
            let chunk = self.n.min((crate::nn::plain::CHUNK / v).max(1)) * v;
            ledger.pass(6 * chunk + head);
        }
    }

    /// Tensors like the states that the regularisation makes.
    fn regularised(&self) -> usize {
        let RecurrentConfig {
            activation_regularisation: of_size, temporal_activation_regularisation: of_change, ..
        } = *self.config;
        usize::from(of_size > 0.0) + 2 * usize::from(of_change > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::recurrent::RecurrentDropout;

    /// V 10, D 3, H 4, two layers, three tokens.
    fn tiny(layout: RecurrentLayout, rate: f64) -> RecurrentConfig {
        let sizes = RecurrentConfig { layout, embedding_size: 3, hidden_size: 4, layers: 2, ..Default::default() };
        let plain = RecurrentConfig { vocabulary_size: 10, sequence_length: 3, ..sizes };
        let dropout = RecurrentDropout::all(rate);
        let (activation_regularisation, temporal_activation_regularisation) =
            if rate > 0.0 { (2.0, 1.0) } else { (0.0, 0.0) };
        RecurrentConfig { dropout, activation_regularisation, temporal_activation_regularisation, ..plain }
    }

    fn step(config: &RecurrentConfig, fused: bool) -> Ledger {
        let mut ledger = Ledger::default();
        config.step(2, Pass { recompute: false, fused }, &mut ledger);
        ledger
    }

    #[test]
    fn whatever_the_layout_the_gradients_are_left() {
        for layout in RecurrentLayout::ALL {
            for (rate, fused) in [(0.0, true), (0.3, true), (0.0, false), (0.3, false)] {
                let config = tiny(layout, rate);
                assert_eq!(step(&config, fused).now(), config.parameters() as u64, "{layout:?}, {rate}, {fused}");
            }
        }
    }

    #[test]
    fn the_products_of_a_token_by_hand() {
        // The embedding, 10 · 3, as the head; four gates of 4 from 3 and 4 inputs, four of 3 from 4 and 3; three of 4 from
        // two inputs of 3, three of 3 from 4.
        let products = RecurrentLayout::ALL.map(|layout| tiny(layout, 0.0).products_per_token());
        assert_eq!(products, [6.0 * (30.0 + 16.0 * 7.0 + 12.0 * 7.0), 6.0 * (30.0 + 12.0 * 6.0 + 9.0 * 4.0)]);
    }

    #[test]
    fn a_step_by_hand() {
        // N 6, states 18. Embedding 18; first layer: gates 6 · 16, cells and result 6 · 4 each, packed 64 and a state of 16:
        // 18 + 144 and 80 for the moment; second: gates 72, cells and result 18 each, packed 36, state 12. Then 270 are held;
        // gradients by states and head 18 + 40; logits of all rows 60: 388 at most so far, 328 held.
        // Back: 108 weights of the second layer, gradients 18 and 24, 48 scratch: 526. Without its 90 kept: 346.
        // First: 144 weights, gradients 24 and 18, 80 scratch: 612, the most.
        assert_eq!(step(&tiny(RecurrentLayout::AwdLstm, 0.0), true).most(), 612);
        // Dropout and regularisation hold more, and so does the plain path.
        assert!(step(&tiny(RecurrentLayout::AwdLstm, 0.3), true).most() > 612 + 64 + 4 * 18);
        assert!(step(&tiny(RecurrentLayout::AwdLstm, 0.0), false).most() > 1000);
    }
}
