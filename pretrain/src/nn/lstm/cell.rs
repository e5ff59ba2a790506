//! What a step makes of the sums of its gates, for some units of one sequence.

use crate::nn::vector::{LANES, load, multiply_add, sigmoid, store, tanh, vectorised};

/// A gate's sums: over the input, over the state, and its bias.
#[inline(always)]
fn sum(gate: &[f32], state: &[f32], bias: &[f32], start: usize) -> [f32; LANES] {
    let mut lanes = load(&gate[start..]);
    let (state, bias) = (load(&state[start..]), load(&bias[start..]));
    for j in 0..LANES {
        lanes[j] += state[j] + bias[j];
    }
    lanes
}

vectorised! {
    /// With the gates i, f, o sigmoids and g the hyperbolic tangent of their sums: c = f · before + i · g, cut to
    /// `clip`, and out = o · tanh c. `gates` hold the sums over the input, and the gates afterwards.
    pub(super) fn forward_row(
        gates: [&mut [f32]; 4],
        state: [&[f32]; 4],
        bias: [&[f32]; 4],
        before: &[f32],
        cell: &mut [f32],
        out: &mut [f32],
        clip: f32,
    ) {
        let [input, forget, candidate, output] = gates;
        for start in (0..before.len()).step_by(LANES) {
            let mut i = sum(input, state[0], bias[0], start);
            let mut f = sum(forget, state[1], bias[1], start);
            let mut g = sum(candidate, state[2], bias[2], start);
            let mut o = sum(output, state[3], bias[3], start);
            let mut c = load(&before[start..]);
            let mut h = [0.0; LANES];
            for j in 0..LANES {
                i[j] = sigmoid::<FUSED>(i[j]);
                f[j] = sigmoid::<FUSED>(f[j]);
                g[j] = tanh::<FUSED>(g[j]);
                o[j] = sigmoid::<FUSED>(o[j]);
                let sum = multiply_add::<FUSED>(f[j], c[j], i[j] * g[j]);
                let sum = if sum > clip { clip } else { sum };
                c[j] = if sum < -clip { -clip } else { sum };
                h[j] = o[j] * tanh::<FUSED>(c[j]);
            }
            store(&mut input[start..], i);
            store(&mut forget[start..], f);
            store(&mut candidate[start..], g);
            store(&mut output[start..], o);
            store(&mut cell[start..], c);
            store(&mut out[start..], h);
        }
    }
}

vectorised! {
    /// With d = tanh c and ∂c = `of_cell` + ∂out · o (1 - d²), or 0 where c was cut: ∂o = ∂out · d · o (1 - o),
    /// ∂i = ∂c · g · i (1 - i), ∂f = ∂c · before · f (1 - f), ∂g = ∂c · i (1 - g²), and `of_cell` becomes ∂c · f.
    /// `gates` hold the gates, and the gradients of their sums afterwards.
    pub(super) fn backward_row(
        gates: [&mut [f32]; 4],
        of_out: &[f32],
        before: &[f32],
        cell: &[f32],
        of_cell: &mut [f32],
        clip: f32,
    ) {
        let [input, forget, candidate, output] = gates;
        for start in (0..before.len()).step_by(LANES) {
            let mut i = load(&input[start..]);
            let mut f = load(&forget[start..]);
            let mut g = load(&candidate[start..]);
            let mut o = load(&output[start..]);
            let (of_h, b, c) = (load(&of_out[start..]), load(&before[start..]), load(&cell[start..]));
            let mut of_c = load(&of_cell[start..]);
            for j in 0..LANES {
                let d = tanh::<FUSED>(c[j]);
                let by_cell = multiply_add::<FUSED>(of_h[j] * o[j], 1.0 - d * d, of_c[j]);
                let by_cell = if c[j].abs() < clip { by_cell } else { 0.0 };
                of_c[j] = by_cell * f[j];
                o[j] = of_h[j] * d * o[j] * (1.0 - o[j]);
                f[j] = by_cell * b[j] * f[j] * (1.0 - f[j]);
                let by_input = by_cell * g[j] * i[j] * (1.0 - i[j]);
                g[j] = by_cell * i[j] * (1.0 - g[j] * g[j]);
                i[j] = by_input;
            }
            store(&mut input[start..], i);
            store(&mut forget[start..], f);
            store(&mut candidate[start..], g);
            store(&mut output[start..], o);
            store(&mut of_cell[start..], of_c);
        }
    }
}
