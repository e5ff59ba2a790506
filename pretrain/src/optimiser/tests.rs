//! Steps worked by hand, and what every rule owes: restored, it goes on as before.

use super::*;
use crate::random::Key;
use candle_core::Device;

/// One parameter of ones.
pub(super) fn one(name: &str, shape: &[usize]) -> Parameters {
    let mut parameters = Parameters::new();
    parameters.ones(name, shape, &Device::Cpu).unwrap();
    parameters
}

/// All values, in name order.
pub(super) fn values(parameters: &Parameters) -> Vec<f32> {
    let flat = |(_, var): (&str, &candle_core::Var)| var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    parameters.iter().flat_map(flat).collect()
}

/// Gradients of Σ x · weights, the same weights for every parameter that has as many elements.
pub(super) fn gradients(parameters: &Parameters, weights: &[f32]) -> Gradients {
    let mut gradients = Gradients::default();
    for (_, var) in parameters.iter().filter(|(_, var)| var.elem_count() == weights.len()) {
        let weights = Tensor::from_slice(weights, var.shape(), &Device::Cpu).unwrap();
        let store = (var.as_tensor() * weights).unwrap().sum_all().unwrap().backward().unwrap();
        gradients.add(parameters, store, 1.0).unwrap();
    }
    gradients
}

/// Copies of what an optimiser has to store.
pub(super) fn stored(optimiser: &Optimiser) -> BTreeMap<String, Tensor> {
    optimiser.state().into_iter().map(|(name, values)| (name, values.tensor().unwrap())).collect()
}

/// A model in small: an embedding, a matrix, a norm.
fn three() -> Parameters {
    let mut parameters = Parameters::new();
    for (name, shape) in [("embed_tokens.weight", vec![5, 4]), ("proj.weight", vec![3, 4]), ("norm.weight", vec![4])] {
        parameters.normal(name, &shape, 1.0, Key::new(1), &Device::Cpu).unwrap();
    }
    parameters.mark_embedding("embed_tokens.weight");
    parameters
}

/// One step on the loss Σ (x - 1)² · 3.
fn step(parameters: &Parameters, optimiser: &mut Optimiser) {
    let mut loss = Tensor::zeros((), candle_core::DType::F32, &Device::Cpu).unwrap();
    for (_, var) in parameters.iter() {
        let squares = (var.as_tensor() - 1.0).unwrap().sqr().unwrap();
        loss = (loss + (squares.sum_all().unwrap() * 3.0).unwrap()).unwrap();
    }
    let mut gradients = Gradients::default();
    gradients.add(parameters, loss.backward().unwrap(), 1.0).unwrap();
    optimiser.step(parameters, &gradients, 0.01).unwrap();
}

#[test]
fn whatever_the_rule_a_restored_optimiser_goes_on_as_before() {
    for rule in [Rule::AdamW, Rule::Sgd, Rule::Muon, Rule::NtAsgd] {
        let settings = OptimiserSettings { rule, ..Default::default() };
        let (a, b) = (three(), three());
        let mut whole = Optimiser::new(&a, settings).unwrap();
        (0..6).for_each(|_| step(&a, &mut whole));
        let mut half = Optimiser::new(&b, settings).unwrap();
        (0..3).for_each(|_| step(&b, &mut half));
        let mut rest = Optimiser::new(&b, settings).unwrap();
        rest.restore(&mut stored(&half), half.steps()).unwrap();
        (0..3).for_each(|_| step(&b, &mut rest));
        assert_eq!(values(&a), values(&b), "{rule:?}");
        assert_eq!((whole.steps(), rest.steps()), (6, 6), "{rule:?}");
        // What is stored is needed: without it, or in another shape, it is refused by name.
        if rule != Rule::NtAsgd {
            let error = rest.restore(&mut BTreeMap::new(), 0).unwrap_err().to_string();
            assert!(error.contains("weight: found nothing; expected shape ["), "{rule:?}: {error}");
        }
        assert_eq!(half.state().is_empty(), rule == Rule::NtAsgd, "{rule:?}");
    }
}

#[test]
fn a_rule_is_chosen_by_name_and_its_numbers_are_flat() {
    let read = |text| serde_json::from_str::<OptimiserSettings>(text).unwrap();
    let muon = read(r#"{"optimiser":"muon","beta2":0.99,"momentum":0.8}"#);
    let adamw = AdamWSettings { beta2: 0.99, ..Default::default() };
    assert_eq!(muon, OptimiserSettings { rule: Rule::Muon, adamw, momentum: Some(0.8) });
    assert_eq!(read(r#"{"optimiser":"nt_asgd"}"#).rule, Rule::NtAsgd);
    assert_eq!(read(r#"{"optimiser":"sgd"}"#).rule, Rule::Sgd);
    assert_eq!(read("{}").rule, read(r#"{"optimiser":"adamw"}"#).rule);
    // AWD-LSTM's rate of 30 with AdamW's decay of 0.1 would multiply the weights by -2.
    let faults = OptimiserSettings { momentum: Some(1.0), ..Default::default() }.faults(30.0);
    assert!(faults[0].contains("momentum is 1") && faults[1].contains("weight_decay is 0.1"), "{faults:?}");
}
