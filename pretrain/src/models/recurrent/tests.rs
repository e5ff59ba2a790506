//! Tests of the recurrent models: gradients, state, files, fastai's arithmetic.

use super::*;
use crate::nn::check::gradients;
use crate::parameters;

fn tiny() -> [RecurrentConfig; 2] {
    RecurrentLayout::ALL.map(|layout| RecurrentConfig {
        layout,
        vocabulary_size: 7,
        embedding_size: 3,
        hidden_size: 4,
        layers: 2,
        sequence_length: 4,
        dropout: RecurrentDropout::all(0.3),
        ..Default::default()
    })
}

/// Weights larger than at the start, and a bias of the head that is not 0.
fn new(config: &RecurrentConfig, seed: u64) -> Recurrent {
    let model = Recurrent::new(config, seed, &Device::Cpu).unwrap();
    for (name, var) in model.parameters.iter() {
        let values = Key::new(seed).named(name).normals(var.elem_count(), 0.5);
        var.set(&Tensor::from_vec(values, var.dims(), &Device::Cpu).unwrap()).unwrap();
    }
    model
}

fn ids(rows: &[[u32; 4]]) -> Tensor {
    Tensor::from_slice(&rows.concat(), (rows.len(), 4), &Device::Cpu).unwrap()
}

const TARGETS: [u32; 8] = [3, 3, 6, 2, 0, 5, 99, 4];

fn batch() -> Tensor {
    ids(&[[1, 3, 3, 6], [1, 0, 5, 2]])
}

/// Of the batch, read from nothing.
fn of_batch(model: &Recurrent, key: Option<Key>) -> Loss {
    model.loss(&batch(), &TARGETS, Some(99), &State::default(), key).unwrap().0
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn every_gradient_matches_finite_differences_with_dropout_and_regularisation() {
    for config in tiny() {
        let model = new(&config, 3).to_dtype(DType::F64).unwrap();
        let state = model.hidden(&batch(), &State::default(), None).unwrap().state;
        let vars: Vec<_> = model.parameters.iter().map(|(_, var)| var).collect();
        let loss = || model.loss(&batch(), &TARGETS, Some(99), &state, Some(Key::new(5))).unwrap().0.sum;
        // Of the loss only the value is a constant plus 0; it is computed from scratch each time.
        gradients(&vars, loss);
    }
}

#[test]
fn the_fused_path_agrees_with_the_plain_one() {
    for config in tiny() {
        let fused = new(&RecurrentConfig { hidden_size: 37, embedding_size: 33, ..config }, 3);
        let plain = fused.to_dtype(DType::F64).unwrap(); // in f64 every layer takes the plain path
        let store = |model: &Recurrent| of_batch(model, Some(Key::new(5))).sum.backward().unwrap();
        let (found, expected) = (store(&fused), store(&plain));
        for ((name, a), (_, b)) in fused.parameters.iter().zip(plain.parameters.iter()) {
            let (found, expected) = (found.get(a).unwrap().to_dtype(DType::F64).unwrap(), expected.get(b).unwrap());
            let norm = |x: &Tensor| x.sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap().sqrt();
            assert!(norm(&(&found - expected).unwrap()) < 1e-5 * norm(expected), "{name}");
        }
    }
}

#[test]
fn every_parameter_gets_a_gradient_and_none_when_detached() {
    for config in tiny() {
        let model = Recurrent::new(&config, 1, &Device::Cpu).unwrap();
        let loss = of_batch(&model, None);
        assert_eq!(loss.rows, 7);
        model.parameters.check_gradients(&loss.sum.backward().unwrap()).unwrap();
        let detached = of_batch(&model.detached(), None);
        assert!(model.parameters.check_gradients(&detached.sum.backward().unwrap()).is_err());
        let [a, b] = [detached.sum, loss.sum].map(|sum| sum.to_scalar::<f32>().unwrap());
        assert!((a - b).abs() < 1e-5);
    }
}

/// Bits of the loss and of every gradient of one training step, on so many threads.
fn step_bits(model: &Recurrent, threads: usize) -> Vec<u32> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let tokens: Vec<u32> = (0..120).map(|i| Key::new(8).below(i, 300) as u32).collect();
    let ids = Tensor::from_slice(&tokens, (6, 20), &Device::Cpu).unwrap();
    pool.install(|| {
        let loss = model.loss(&ids, &tokens, None, &State::default(), Some(Key::new(5))).unwrap().0.sum;
        let store = loss.backward().unwrap();
        let gradients = model.parameters.iter().map(|(_, var)| store.get(var).unwrap());
        std::iter::once(&loss).chain(gradients).flat_map(values).map(f32::to_bits).collect()
    })
}

#[test]
fn neither_threads_nor_repeating_change_a_bit() {
    for config in tiny() {
        let model = new(&RecurrentConfig { vocabulary_size: 300, hidden_size: 150, embedding_size: 90, ..config }, 3);
        let once = step_bits(&model, 1);
        assert!(once == step_bits(&model, 2), "one thread and two");
        assert!(once == step_bits(&model, 2), "two threads, again");
        assert!(once == step_bits(&model, 3), "one thread and three");
    }
}

#[test]
fn a_state_is_what_was_read() {
    for config in tiny() {
        let model = new(&config, 1).detached();
        let (whole, _) = model.logits(&batch(), &State::default()).unwrap();
        let (first, state) = model.logits(&batch().narrow(1, 0, 1).unwrap(), &State::default()).unwrap();
        let (rest, _) = model.logits(&batch().narrow(1, 1, 3).unwrap(), &state).unwrap();
        let joined = values(&Tensor::cat(&[first, rest], 1).unwrap());
        assert!(values(&whole).iter().zip(&joined).all(|(a, b)| (a - b).abs() < 1e-5));
        // The future changes no logit.
        let (other, _) = model.logits(&ids(&[[1, 3, 3, 2], [1, 0, 5, 5]]), &State::default()).unwrap();
        let [before, changed] = [whole, other].map(|logits| values(&logits.narrow(1, 0, 3).unwrap()));
        assert_eq!(before, changed);
    }
}

#[test]
fn the_loss_is_that_of_the_logits_and_regularisation_comes_with_a_key() {
    for config in tiny() {
        let model = new(&RecurrentConfig { dropout: RecurrentDropout::all(0.0), ..config.clone() }, 1);
        let (logits, _) = model.logits(&batch(), &State::default()).unwrap();
        let rows: Vec<Vec<f32>> = logits.flatten(0, 1).unwrap().to_vec2().unwrap();
        let log_sum = |row: &[f32]| row.iter().map(|x| f64::from(*x).exp()).sum::<f64>().ln();
        let losses = rows.iter().zip(TARGETS).filter(|(_, target)| *target != 99);
        let expected: f64 = losses.map(|(row, target)| log_sum(row) - f64::from(row[target as usize])).sum();
        let loss = |key| f64::from(of_batch(&model, key).sum.to_scalar::<f32>().unwrap());
        assert!((loss(None) - expected).abs() < 1e-4);
        // 2 · mean of h² + 1 · mean of (h - h before)², for each of seven targets.
        let raw: Vec<Vec<Vec<f32>>> = model.hidden(&batch(), &State::default(), None).unwrap().raw.to_vec3().unwrap();
        let all = |t: usize| raw[t].concat();
        let mean = |values: Vec<f32>| values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / values.len() as f64;
        let changes = (1..4).flat_map(|t| all(t).into_iter().zip(all(t - 1)).map(|(a, b)| a - b).collect::<Vec<_>>());
        let added = 7.0 * (2.0 * mean((0..4).flat_map(all).collect()) + mean(changes.collect()));
        assert!((loss(Some(Key::new(1))) - expected - added).abs() < 1e-4);
        let without = RecurrentConfig {
            activation_regularisation: 0.0,
            temporal_activation_regularisation: 0.0,
            ..model.config.clone()
        };
        let without = Recurrent::with_parameters(&without, model.parameters.clone()).unwrap();
        let loss = of_batch(&without, Some(Key::new(1)));
        assert!((f64::from(loss.sum.to_scalar::<f32>().unwrap()) - expected).abs() < 1e-4);
    }
}

#[test]
fn dropout_is_on_with_a_key_alone_and_each_form_matters() {
    for config in tiny() {
        let logits = |dropout: RecurrentDropout, key| {
            let model = new(&RecurrentConfig { dropout, hidden_size: 40, embedding_size: 30, ..config.clone() }, 1);
            values(&model.hidden(&batch(), &State::default(), key).unwrap().dropped)
        };
        let none = RecurrentDropout::all(0.0);
        let off = logits(none, Some(Key::new(1)));
        assert_eq!(logits(RecurrentDropout::all(0.5), None), off);
        let forms = [
            RecurrentDropout { output: 0.5, ..none },
            RecurrentDropout { hidden: 0.5, ..none },
            RecurrentDropout { input: 0.5, ..none },
            RecurrentDropout { embedding: 0.5, ..none },
            RecurrentDropout { weight: 0.5, ..none },
        ];
        for form in forms {
            let on = logits(form, Some(Key::new(1)));
            assert_ne!(on, off, "{form:?}");
            assert_eq!(on, logits(form, Some(Key::new(1))), "{form:?}");
            assert_ne!(on, logits(form, Some(Key::new(2))), "{form:?}");
            assert_eq!(logits(RecurrentDropout { multiplier: 0.0, ..form }, Some(Key::new(1))), off, "{form:?}");
        }
    }
}

#[test]
fn a_saved_model_is_the_same_model_and_fastais_copies_are_passed_over() {
    for config in tiny() {
        let folder = tempfile::tempdir().unwrap();
        let model = new(&config, 1);
        model.save(folder.path()).unwrap();
        let again = || Recurrent::load(folder.path(), &Device::Cpu);
        let of = |model: &Recurrent| values(&model.logits(&batch(), &State::default()).unwrap().0);
        assert_eq!(again().unwrap().config, config);
        assert_eq!(of(&again().unwrap()), of(&model));
        let path = folder.path().join("model.safetensors");
        let mut tensors = parameters::load(&path, &Device::Cpu).unwrap();
        for name in ["1.decoder.weight", "0.encoder_dp.emb.weight", "0.rnns.0.module.weight_hh_l0"] {
            tensors.insert(name.into(), model.head().0.clone());
        }
        parameters::save(&tensors, &path).unwrap();
        assert_eq!(of(&again().unwrap()), of(&model));
        tensors.insert("0.rnns.2.adapter".into(), model.head().0.clone());
        parameters::save(&tensors, &path).unwrap();
        let message = again().unwrap_err().to_string();
        assert!(message.contains("0.rnns.2.adapter: found a tensor this model does not have"), "{message}");
    }
}

#[test]
fn sizes_are_those_of_the_formulas() {
    // fastai: get_language_model(AWD_LSTM, 8192), 3 layers of 400 → 1152 → 1152 → 400 with two biases each.
    let config = RecurrentConfig { vocabulary_size: 8192, ..Default::default() };
    let lstm = |i: usize, h: usize| 4 * h * (i + h + 2);
    let expected = 8192 * 401 + lstm(400, 1152) + lstm(1152, 1152) + lstm(1152, 400);
    assert_eq!(Recurrent::new(&config, 1, &Device::Cpu).unwrap().parameters.count(), expected);
    // MultiFiT: 4 layers of 400 → 1550 → 1550 → 1550 → 400, the first with a window of two.
    let config = RecurrentConfig { layout: RecurrentLayout::Qrnn, hidden_size: 1550, layers: 4, ..config };
    let qrnn = |i: usize, h: usize| 3 * h * (i + 1);
    let expected = 8192 * 401 + qrnn(800, 1550) + 2 * qrnn(1550, 1550) + qrnn(1550, 400);
    let parameters = Recurrent::new(&config, 1, &Device::Cpu).unwrap().parameters;
    assert_eq!((parameters.count(), config.parameters()), (expected, expected));
    assert_eq!(parameters.iter().filter(|(name, _)| parameters.is_map(name)).count(), 4);
}
