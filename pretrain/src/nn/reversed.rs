//! Sequences the other way round, for layers that read from right to left, as ELMo's backward language model (Peters et al.
//! 2018). Each is turned within its own length, so that what it is filled up with stays behind it and is read after it: a
//! layer of reversed sequences, reversed again, is that layer from right to left, exact to the last token.

use crate::error::{Error, Result};
use crate::nn::slices;
use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};

/// `x` (T, B, D) with the first `lengths` (B) steps of each sequence in the other order, and the others where they are.
/// Twice is as before.
///
/// # Errors
/// Another number of lengths than of sequences, a length of more than T.
pub fn reversed(x: &Tensor, lengths: &[usize]) -> Result<Tensor> {
    let (t, b, d) = x.dims3()?;
    if lengths.len() != b || lengths.iter().any(|length| *length > t) {
        return Err(Error::Settings(format!("reversed: {:?} with lengths {lengths:?}", x.dims())));
    }
    // The row (step, sequence) that each row comes from; and, since twice is as before, goes to.
    let from = |row: usize| {
        let (step, sequence) = (row / b, row % b);
        let step = if step < lengths[sequence] { lengths[sequence] - 1 - step } else { step };
        step * b + sequence
    };
    let from: Vec<usize> = (0..t * b).map(from).collect();
    if slices::are_f32_on_cpu(&[x]) {
        return Ok(x.contiguous()?.apply_op1(Reversed { from, width: d })?);
    }
    let ids: Vec<u32> = from.into_iter().map(|row| row as u32).collect();
    let ids = Tensor::from_vec(ids, t * b, x.device())?;
    Ok(x.reshape((t * b, d))?.index_select(&ids, 0)?.reshape((t, b, d))?)
}

/// Rows in an order that is its own inverse, so that forward and backward are one.
struct Reversed {
    from: Vec<usize>,
    width: usize,
}

impl Reversed {
    fn apply(&self, x: &[f32]) -> Vec<f32> {
        self.from.iter().flat_map(|row| &x[row * self.width..(row + 1) * self.width]).copied().collect()
    }
}

impl CustomOp1 for Reversed {
    fn name(&self) -> &'static str {
        "reversed"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(self.apply(slices::of(x, layout)?)), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let values = slices::read([gradient], |[gradient]| self.apply(gradient))?;
        Ok(Some(Tensor::from_vec(values, x.shape(), x.device())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::check::{agree, gradients, normal, scalar, variable};
    use crate::nn::{LstmSettings, LstmWeights, lstm, qrnn};
    use candle_core::{Device, Var};

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn agrees_with_the_plain_path_which_matches_finite_differences() {
        for (t, b, d, lengths) in [(1, 1, 1, vec![1]), (4, 3, 5, vec![4, 0, 3]), (9, 2, 33, vec![2, 9])] {
            // In f64 the same function takes the plain path.
            let layer = |[x]: [&Tensor; 1]| reversed(x, &lengths);
            agree(&[&normal(&[t, b, d], 1)], layer, layer);
        }
        let x = variable(&[4, 3, 2], 1);
        gradients(&[&x], || scalar(&reversed(&x, &[4, 1, 3]).unwrap()));
    }

    #[test]
    fn each_sequence_is_turned_within_its_length_and_twice_is_as_before() {
        let x = Tensor::arange(0f32, 8.0, &Device::Cpu).unwrap().reshape((4, 2, 1)).unwrap();
        let turned = reversed(&x, &[4, 2]).unwrap();
        assert_eq!(values(&turned), [6.0, 3.0, 4.0, 1.0, 2.0, 5.0, 0.0, 7.0]); // columns 6 4 2 0 and 3 1 | 5 7
        assert_eq!(values(&reversed(&turned, &[4, 2]).unwrap()), values(&x));
        let message = reversed(&x, &[4, 5]).unwrap_err().to_string();
        assert!(message.contains("reversed: [4, 2, 1] with lengths [4, 5]"), "{message}");
        assert!(reversed(&x, &[4]).is_err());
    }

    /// Reads from right to left.
    fn backwards(x: &Tensor, lengths: &[usize], layer: impl Fn(&Tensor) -> Tensor) -> Tensor {
        reversed(&layer(&reversed(x, lengths).unwrap()), lengths).unwrap()
    }

    fn waves(shape: &[usize], first: f32) -> Tensor {
        let values = (0..shape.iter().product::<usize>()).map(|i| (0.7 * i as f32 + first).sin()).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    #[test]
    fn a_qrnn_from_right_to_left_is_exact_at_the_ends_of_sequences() {
        for window in [1, 2] {
            let [weight, bias] = [normal(&[12, window * 3], 2), normal(&[12], 3)];
            let layer = |x: &Tensor| qrnn(x, &weight, &bias, None).unwrap().0;
            let (x, lengths) = (normal(&[6, 3, 3], 1), [6, 2, 5]);
            let together = backwards(&x, &lengths, layer);
            for (row, length) in lengths.into_iter().enumerate() {
                let of_row =
                    |x: &Tensor| x.narrow(1, row, 1).unwrap().narrow(0, 0, length).unwrap().contiguous().unwrap();
                // Alone it has nothing behind it; and each step depends on none before it.
                let alone = values(&backwards(&of_row(&x), &[length], layer));
                let found = values(&of_row(&together));
                assert!(found.iter().zip(&alone).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}\n{alone:?}");
                let later = of_row(&x).narrow(0, 1, length - 1).unwrap().contiguous().unwrap();
                let later = values(&backwards(&later, &[length - 1], layer));
                assert!(found[4..].iter().zip(&later).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}\n{later:?}");
            }
        }
    }

    #[test]
    fn an_lstm_from_right_to_left_is_that_of_reversed_sequences_and_of_pytorch() {
        // l = torch.nn.LSTM(2, 3, bidirectional=True).double()
        // names = ["weight_ih_l0_reverse", "weight_hh_l0_reverse", "bias_ih_l0_reverse", "bias_hh_l0_reverse"]
        // with torch.no_grad():
        //     for n, name in enumerate(names): getattr(l, name).copy_(waves(*getattr(l, name).shape, first=n + 1.0))
        // x = waves(3, 2, 2, first=0.0).requires_grad_()
        // packed = torch.nn.utils.rnn.pack_padded_sequence(x, [3, 2])
        // y = torch.nn.utils.rnn.pad_packed_sequence(l(packed)[0])[0][:, :, 3:]
        // (y * waves(3, 2, 3, first=6.0)).sum().backward(); print(y, x.grad)     # waves as in nn/lstm/tests.rs
        let expected: [&[f32]; 2] = [
            &[
                0.2717777, 0.0360668, 0.0179267, 0.4102816, -0.0027244, 0.009907, 0.1256419, 0.0441737, 0.0287404,
                0.0075214, 0.0110269, 0.0984353, 0.0532631, 0.0148583, 0.0280666,
            ],
            &[
                -0.0494106, -0.0673502, 0.109045, 0.0767643, -0.1124297, -0.0949838, -0.0770667, -0.0428464, 0.0645028,
                0.0632275,
            ],
        ];
        let shapes: [&[usize]; 4] = [&[12, 2], &[12, 3], &[12], &[12]];
        let all: [Tensor; 4] = std::array::from_fn(|n| waves(shapes[n], n as f32 + 1.0));
        let [weight_ih, weight_hh, bias_ih, bias_hh] = all.each_ref();
        let weights = LstmWeights { weight_ih, weight_hh, bias_ih, bias_hh, weight_hr: None };
        let layer =
            |x: &Tensor, reverse| lstm(x, &weights, None, LstmSettings { reverse, ..Default::default() }).unwrap().0;
        let x = Var::from_tensor(&waves(&[3, 2, 2], 0.0)).unwrap();
        let y = backwards(&x, &[3, 2], |x| layer(x, false));
        // What is behind the second sequence's end is not compared: PyTorch has zeros there.
        let real = |x: &Tensor| [&values(x)[..x.elem_count() / 6 * 5], &[]].concat();
        let weighed = (y.flatten(0, 1).unwrap().narrow(0, 0, 5).unwrap()
            * waves(&[3, 2, 3], 6.0).flatten(0, 1).unwrap().narrow(0, 0, 5).unwrap())
        .unwrap();
        let store = weighed.sum_all().unwrap().backward().unwrap();
        for (found, expected) in [real(&y), real(store.get(&x).unwrap())].iter().zip(expected) {
            assert_eq!(found.len(), expected.len());
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}\n{expected:?}");
        }
        // Sequences that fill the window are what the layer's own option reads.
        let whole = values(&backwards(&x, &[3, 3], |x| layer(x, false)));
        assert!(whole.iter().zip(&values(&layer(&x, true))).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}
