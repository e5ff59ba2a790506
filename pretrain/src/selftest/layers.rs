//! Values and gradients of every layer. Sizes are odd, span more than one block, and keep f64 on one core quick.

use super::{Check, difference};
use crate::error::{Error, Result};
use crate::nn::check::normal;
use crate::nn::{
    AttentionSettings, Heads, LstmSettings, LstmWeights, Rope, Seen, add_positions, affine, attention, attention_layer,
    char_convolution, cross_entropy, dropout, embedding, embedding_dropout, exact_gelu, feed_forward, gelu, highway,
    layer_norm, linear, linear_with_bias, lstm, plain, qrnn, recompute, relu_squared, residual, reversed, rms_norm,
    smoothed_cross_entropy, swiglu, variational_dropout,
};
use crate::precision::Precision::{self, Bf16, F32};
use crate::random::Key;
use candle_core::{DType, Device, Tensor, Var};

/// Differences relative to the largest element of a value or a gradient: a few roundings of f32 in sums of some hundred.
const F32_TOLERANCE: f64 = 2e-5;
/// Factors of products with 8 significant bits are off by up to 2⁻⁹ each; a layer has up to four products in a row.
const BF16_TOLERANCE: f64 = 3e-2;

/// A layer on inputs of these shapes, as f32 numbers of deviation 1.
struct Layer {
    name: &'static str,
    shapes: &'static [&'static [usize]],
    apply: fn(&[Tensor], Precision) -> Result<Tensor>,
    /// Whether it multiplies matrices, and so has a precision.
    products: bool,
}

/// A layer without products.
const fn plain_layer(name: &'static str, shapes: &'static [&'static [usize]], apply: Apply) -> Layer {
    Layer { name, shapes, apply, products: false }
}

/// A layer with products, in every precision.
const fn products(name: &'static str, shapes: &'static [&'static [usize]], apply: Apply) -> Layer {
    Layer { name, shapes, apply, products: true }
}

type Apply = fn(&[Tensor], Precision) -> Result<Tensor>;

/// Every layer of `crate::nn`, by the name of its function; what is behind a comma tells its variants apart.
const LAYERS: &[Layer] = &[
    products("linear", &[&[3, 40, 33], &[65, 33]], |x, p| linear(&x[0], &x[1], p)),
    products("affine", &[&[3, 40, 33], &[33, 65], &[65]], |x, p| affine(&x[0], &x[1], &x[2], p)),
    products("linear_with_bias", &[&[3, 40, 33], &[65, 33], &[65]], |x, p| linear_with_bias(&x[0], &x[1], &x[2], p)),
    plain_layer("embedding", &[&[23, 17]], |x, _| embedding(&ids(&x[0], 5, 40, 23)?, &x[0])),
    plain_layer("add_positions", &[&[3, 40, 33], &[50, 33]], |x, _| add_positions(&x[0], &x[1])),
    plain_layer("rms_norm", &[&[3, 40, 33], &[33]], |x, _| rms_norm(&x[0], &x[1], 1e-5)),
    plain_layer("layer_norm", &[&[3, 40, 33], &[33], &[33]], |x, _| layer_norm(&x[0], &x[1], &x[2], 1e-5)),
    plain_layer("gelu", &[&[3, 40, 66]], |x, _| gelu(&x[0])),
    plain_layer("exact_gelu", &[&[3, 40, 66]], |x, _| exact_gelu(&x[0])),
    plain_layer("relu_squared", &[&[3, 40, 66]], |x, _| relu_squared(&x[0])),
    plain_layer("swiglu", &[&[3, 40, 66]], |x, _| swiglu(&x[0])),
    plain_layer("dropout", &[&[3, 41, 33]], |x, _| dropout(&x[0], 0.3, Some(Key::new(3)))),
    plain_layer("residual", &[&[3, 41, 33], &[3, 41, 33]], |x, _| residual(&x[0], &x[1], 0.3, Some(Key::new(3)))),
    plain_layer("rotary positions", &[&[2, 3, 40, 16]], |x, _| plain::rotate(&x[0], &Rope::new(50, 16, 100.0))),
    products("attention, causal", &[&[2, 70, 72]], |x, p| attention(&x[0], &heads(3, 3, None), &Seen::causal(), p)),
    products("attention, causal, rotary, shared keys", &[&[2, 70, 64]], |x, p| {
        attention(&x[0], &heads(4, 2, Some(8)), &Seen::causal(), p)
    }),
    products("attention, of both sides, separate documents, padding", &[&[2, 70, 72]], |x, p| {
        let seen = Seen::bidirectional().apart(&[vec![0, 20, 66], vec![0, 41]], 70)?.padded(&[70, 60], 70)?;
        attention(&x[0], &heads(3, 3, None), &seen, p)
    }),
    products("attention_layer", &[&[2, 70, 18], &[18], &[24, 18], &[12, 18], &[12, 18], &[18, 24]], |x, p| {
        attention_layer(&(&x[0] * 0.5)?, [1, 2, 3, 4, 5].map(|i| &x[i]), None, &settings(p), Some(Key::new(3)))
    }),
    products(
        "attention_layer, normed queries and keys",
        &[&[2, 70, 18], &[18], &[24, 18], &[12, 18], &[12, 18], &[18, 24], &[6], &[6]],
        |x, p| {
            let norms = Some([&x[6], &x[7]]);
            attention_layer(&(&x[0] * 0.5)?, [1, 2, 3, 4, 5].map(|i| &x[i]), norms, &settings(p), Some(Key::new(3)))
        },
    ),
    products("feed_forward", &[&[2, 40, 33], &[33], &[50, 33], &[50, 33], &[33, 50]], |x, p| {
        feed_forward(&(&x[0] * 0.5)?, [1, 2, 3, 4].map(|i| &x[i]), 1e-5, 0.3, Some(Key::new(3)), p)
    }),
    plain_layer("lstm", &[&[5, 3, 7], &[24, 7], &[24, 6], &[24], &[24]], |x, _| {
        Ok(lstm(&x[0], &lstm_weights(x, None), None, LstmSettings::default())?.0)
    }),
    plain_layer(
        "lstm, projected, clipped, reversed",
        &[&[5, 3, 7], &[24, 7], &[24, 4], &[24], &[24], &[4, 6]],
        |x, _| {
            let settings = LstmSettings { reverse: true, cell_clip: Some(0.8), projection_clip: Some(0.4) };
            Ok(lstm(&x[0], &lstm_weights(x, Some(&x[5])), None, settings)?.0)
        },
    ),
    plain_layer("qrnn", &[&[5, 3, 7], &[18, 14], &[18]], |x, _| Ok(qrnn(&x[0], &x[1], &x[2], None)?.0)),
    plain_layer("reversed", &[&[5, 3, 7]], |x, _| reversed(&x[0], &[5, 2, 4])),
    plain_layer("char_convolution", &[&[9, 12, 4], &[6, 4, 3], &[6]], |x, _| char_convolution(&x[0], &x[1], &x[2])),
    plain_layer("highway", &[&[9, 7], &[14, 7], &[14]], |x, _| highway(&x[0], &x[1], &x[2])),
    plain_layer("variational_dropout", &[&[5, 3, 9]], |x, _| variational_dropout(&x[0], 0.3, Some(Key::new(3)))),
    plain_layer("embedding_dropout", &[&[40, 9]], |x, _| {
        let ids: Vec<u32> = (0..40).map(|i| i * 7 % 23).collect();
        embedding_dropout(&x[0], &ids, 0.3, Some(Key::new(3)))
    }),
    products("smoothed_cross_entropy", &[&[90, 33], &[65, 33], &[65]], |x, p| {
        let targets: Vec<u32> = (0..90).map(|i| if i % 7 == 3 { 99 } else { i * 5 % 65 }).collect();
        Ok((smoothed_cross_entropy(&x[0], (&x[1], Some(&x[2])), &targets, Some(99), 0.1, p)?.sum * 0.5)?)
    }),
    products("recompute", &[&[3, 41, 33], &[33], &[33, 33]], |x, p| {
        let block = move |x: &Tensor, weights: &[&Tensor]| {
            let map = linear(&rms_norm(x, weights[0], 1e-5)?, weights[1], p)?;
            residual(x, &map, 0.3, Some(Key::new(3)))
        };
        recompute(&x[0], &[&x[1], &x[2]], block)
    }),
    products("cross_entropy, ignored rows", &[&[90, 33], &[65, 33]], |x, p| {
        let targets: Vec<u32> = (0..90).map(|i| if i % 7 == 3 { 99 } else { i * 5 % 65 }).collect();
        Ok((cross_entropy(&x[0], &x[1], &targets, Some(99), p)?.sum * 0.5)?)
    }),
];

/// `rows` × `length` ids below `count`, some of them often.
fn ids(like: &Tensor, rows: u64, length: u64, count: u64) -> Result<Tensor> {
    let id = |i| Key::new(7).below(i, count).min(Key::new(8).below(i, count)) as u32;
    let ids: Vec<u32> = (0..rows * length).map(id).collect();
    Ok(Tensor::from_vec(ids, (rows as usize, length as usize), like.device())?)
}

/// The inputs after the first.
fn lstm_weights<'a>(x: &'a [Tensor], weight_hr: Option<&'a Tensor>) -> LstmWeights<'a> {
    LstmWeights { weight_ih: &x[1], weight_hh: &x[2], bias_ih: &x[3], bias_hh: &x[4], weight_hr }
}

/// Heads, with rotary positions for heads of this width.
fn heads(queries: usize, keys: usize, width: Option<usize>) -> Heads {
    Heads { queries, keys, rope: width.map(|width| Rope::new(80, width, 100.0)) }
}

/// Four heads of queries and two of keys, each 6 wide.
fn settings(precision: Precision) -> AttentionSettings {
    AttentionSettings { heads: heads(4, 2, Some(6)), seen: Seen::causal(), epsilon: 1e-5, rate: 0.3, precision }
}

/// Compares every layer on the device with f64 on the CPU.
pub fn check(device: &Device) -> Vec<Check> {
    let each = |layer: &Layer| {
        let of = |precision, tolerance, suffix| {
            Check::new(format!("{}{suffix}", layer.name), tolerance, compare(layer, precision, device))
        };
        let f32 = of(F32, F32_TOLERANCE, "");
        std::iter::once(f32).chain(layer.products.then(|| of(Bf16, BF16_TOLERANCE, ", bf16")))
    };
    LAYERS.iter().flat_map(each).collect()
}

/// The worst difference of the value and of the gradients by all inputs.
fn compare(layer: &Layer, precision: Precision, device: &Device) -> Result<f64> {
    let found = pass(layer, precision, DType::F32, device)?;
    let expected = pass(layer, F32, DType::F64, &Device::Cpu)?;
    let mut worst = 0.0f64;
    for (found, expected) in found.iter().zip(&expected) {
        let error = difference(found, expected)?;
        worst = if error.is_nan() { return Ok(error) } else { worst.max(error) };
    }
    Ok(worst)
}

/// The value, then the gradient by each input of a sum that weighs every element in its own way.
fn pass(layer: &Layer, precision: Precision, dtype: DType, device: &Device) -> Result<Vec<Tensor>> {
    let input = |(number, shape): (usize, &&[usize])| {
        // Maps as small as a model's, so that scores and logits stay moderate.
        let size = if number > 0 && shape.len() == 2 { 0.3 } else { 1.0 };
        Ok(Var::from_tensor(&(normal(shape, number as u64) * size)?.to_dtype(dtype)?.to_device(device)?)?)
    };
    let vars: Vec<Var> = layer.shapes.iter().enumerate().map(input).collect::<Result<_>>()?;
    let inputs: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let out = (layer.apply)(&inputs, precision)?;
    let weights = normal(out.dims(), 99).to_dtype(dtype)?.to_device(device)?;
    let store = (&out * weights)?.sum_all()?.backward()?;
    let mut all = vec![out];
    for (number, var) in vars.iter().enumerate() {
        let place = || format!("{}, gradient by input {number}", layer.name);
        let gradient = store.get(var).ok_or_else(|| Error::NoGradient(vec![place()]))?;
        if gradient.dtype() != dtype {
            let (found, expected) = (format!("{:?}", gradient.dtype()), format!("{dtype:?}"));
            return Err(Error::Mismatch { place: place(), found, expected });
        }
        all.push(gradient.clone());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_is_compared() {
        // `backward` is no layer: it is what all of them are passed through in training.
        const OTHERS: &[&str] = &["backward"];
        // What `nn/mod.rs` offers: the functions that it names after `pub use MODULE::`.
        let offered =
            include_str!("../nn/mod.rs").split("\npub use ").skip(1).filter_map(|rest| rest.split(';').next());
        let words = offered.flat_map(|names| names.split(|c: char| !c.is_alphanumeric() && c != '_').skip(1));
        let functions: Vec<&str> = words.filter(|word| word.starts_with(char::is_lowercase)).collect();
        assert!(functions.contains(&"linear") && functions.len() > 12, "{functions:?}: is this test blind?");
        let compared = |word: &&str| {
            OTHERS.contains(word) || LAYERS.iter().any(|layer| layer.name.split(',').next() == Some(*word))
        };
        let missing: Vec<&&str> = functions.iter().filter(|word| !compared(word)).collect();
        assert!(missing.is_empty(), "add a line to LAYERS for {missing:?}");
    }

    #[test]
    fn a_wrong_layer_is_found() {
        // Wrong by 10⁻⁴ in f32, which is what the device has; right in f64.
        let wrong = plain_layer("wrong", &[&[3, 4]], |x, _| {
            Ok((&x[0] * if x[0].dtype() == DType::F32 { 1.0001 } else { 1.0 })?)
        });
        let found = compare(&wrong, F32, &Device::Cpu).unwrap();
        assert!((5e-5..2e-4).contains(&found), "{found}");
        let lost = plain_layer("lost", &[&[3, 4], &[3, 4]], |x, _| Ok((&x[0] + x[1].detach())?));
        assert!(compare(&lost, F32, &Device::Cpu).unwrap_err().to_string().contains("lost, gradient by input 1"));
    }
}
