//! Tests of the LSTM: against the plain chain, finite differences, PyTorch.

use super::*;
use crate::nn::check::{agree, gradients, normal, scalar, variable};
use candle_core::{DType, Device, Var};

fn of<'a>(weights: &[&'a Tensor]) -> LstmWeights<'a> {
    LstmWeights {
        weight_ih: weights[0],
        weight_hh: weights[1],
        bias_ih: weights[2],
        bias_hh: weights[3],
        weight_hr: weights.get(4).copied(),
    }
}

fn shapes(t: usize, b: usize, i: usize, h: usize, p: usize) -> [Vec<usize>; 6] {
    [vec![t, b, i], vec![4 * h, i], vec![4 * h, p], vec![4 * h], vec![4 * h], vec![p, h]]
}

/// Both directions, without and with clips that cut some of the values.
fn settings() -> impl Iterator<Item = LstmSettings> {
    let clips = [(None, None), (Some(0.3), Some(0.1))];
    let both = |(cell_clip, projection_clip)| {
        [false, true].map(|reverse| LstmSettings { reverse, cell_clip, projection_clip })
    };
    clips.into_iter().flat_map(both)
}

fn state(b: usize, h: usize, p: usize) -> LstmState {
    LstmState { hidden: (normal(&[b, p], 11) * 0.3).unwrap(), cell: (normal(&[b, h], 12) * 0.3).unwrap() }
}

fn to_f64(state: &LstmState) -> LstmState {
    let [hidden, cell] = [&state.hidden, &state.cell].map(|tensor| tensor.to_dtype(DType::F64).unwrap());
    LstmState { hidden, cell }
}

/// `state` in the type of `x`.
fn as_of(x: &Tensor, state: &LstmState) -> LstmState {
    if x.dtype() == DType::F64 { to_f64(state) } else { state.clone() }
}

#[test]
fn agrees_with_the_plain_path() {
    for (t, b, i, h, p) in [(1, 1, 1, 1, 1), (3, 2, 5, 7, 3), (4, 13, 6, 33, 40)] {
        let all = shapes(t, b, i, h, p);
        let inputs: [Tensor; 6] = std::array::from_fn(|n| (normal(&all[n], n as u64) * 0.5).unwrap());
        let square = (normal(&[4 * h, h], 7) * 0.5).unwrap();
        let [x, ih, hh, a, c, hr] = inputs.each_ref();
        for settings in settings() {
            // In f64 the same function takes the plain path.
            let projected = |[x, ih, hh, a, c, hr]: [&Tensor; 6]| {
                Ok(lstm(x, &of(&[ih, hh, a, c, hr]), Some(&as_of(x, &state(b, h, p))), settings)?.0)
            };
            agree(&[x, ih, hh, a, c, hr], projected, projected);
            let whole = |[x, ih, hh, a, c]: [&Tensor; 5]| {
                Ok(lstm(x, &of(&[ih, hh, a, c]), Some(&as_of(x, &state(b, h, h))), settings)?.0)
            };
            agree(&[x, ih, &square, a, c], whole, whole);
        }
    }
}

#[test]
fn gradients_of_the_plain_path_match_finite_differences() {
    let all = shapes(3, 2, 2, 3, 2);
    let vars: [_; 6] = std::array::from_fn(|n| variable(&all[n], n as u64));
    for settings in settings() {
        let [x, ih, hh, a, c, hr] = vars.each_ref();
        let weights = of(&[ih, hh, a, c, hr].map(|var| var.as_tensor()));
        let state = to_f64(&state(2, 3, 2));
        gradients(&vars.each_ref(), || scalar(&lstm(x, &weights, Some(&state), settings).unwrap().0));
    }
}

/// The values sin(0.7 i + first), in order.
fn waves(shape: &[usize], first: f32) -> Tensor {
    let values = (0..shape.iter().product::<usize>()).map(|i| (0.7 * i as f32 + first).sin()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[track_caller]
fn near(found: &Tensor, expected: &[f32]) {
    let found = values(found);
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}\n{expected:?}");
}

#[test]
fn values_and_gradients_are_pytorchs() {
    // def waves(*shape, first):
    //     return torch.sin(0.7 * torch.arange(math.prod(shape), dtype=torch.float64) + first).reshape(shape)
    // l = torch.nn.LSTM(2, 3, proj_size=2).double()
    // with torch.no_grad():
    //     for n, w in enumerate([l.weight_ih_l0, l.weight_hh_l0, l.bias_ih_l0, l.bias_hh_l0, l.weight_hr_l0]):
    //         w.copy_(waves(*w.shape, first=n + 1.0))
    // x = waves(3, 2, 2, first=0.0).requires_grad_()
    // y, (h, c) = l(x); (y * waves(3, 2, 2, first=6.0)).sum().backward()
    // print(y, c, x.grad, l.weight_hh_l0.grad, l.weight_hr_l0.grad, l.bias_hh_l0.grad)
    let all = shapes(3, 2, 2, 3, 2);
    let vars: [_; 6] = std::array::from_fn(|n| Var::from_tensor(&waves(&all[n], n as f32)).unwrap());
    let [x, weights @ ..] = vars.each_ref().map(|var| var.as_tensor());
    let (y, state) = lstm(x, &of(&weights), None, LstmSettings::default()).unwrap();
    let store = (&y * waves(&[3, 2, 2], 6.0)).unwrap().sum_all().unwrap().backward().unwrap();
    near(
        &y,
        &[
            -0.2098702, 0.1774605, -0.3837906, 0.2812292, -0.135679, 0.1472091, -0.0152191, 0.1313677, -0.0861104,
            0.1197488, -0.3785191, 0.3045777,
        ],
    );
    near(&state.cell, &[0.3737169, 0.2235343, 0.211173, 0.6058453, 0.0564045, 0.2716729]);
    let gradient = |number: usize| store.get(&vars[number]).unwrap();
    near(
        gradient(0),
        &[
            0.1011692, 0.0869149, -0.0776549, -0.0585033, -0.0712742, -0.0738092, 0.1150806, 0.0615536, 0.0552517,
            0.0651792, 0.0004582, -0.0169858,
        ],
    );
    near(
        gradient(2),
        &[
            0.0021005, 0.0012066, -0.0001636, -2.95e-05, 0.0214166, -0.015993, -0.0002747, 0.001204, 0.0005088,
            -0.0001101, 0.0009079, -0.0006807, -0.0004692, 0.0051103, -0.0001964, 0.0045516, 0.0544179, -0.040241,
            0.0061797, -0.0006124, 0.0040298, -0.0022977, 0.0237913, -0.0169924,
        ],
    );
    near(
        gradient(4),
        &[
            0.0459942, -0.0010005, -0.0624509, 0.0090691, 0.0005426, -0.0030002, 0.0432982, 0.0787492, -0.1512769,
            0.0504461, -0.0025328, -0.0593834,
        ],
    );
    near(gradient(5), &[0.4630656, -0.0168157, -0.1148282, 0.7524791, -0.0131997, -0.1337556]);
}

#[test]
fn a_sequence_in_two_pieces_is_the_sequence_in_one() {
    let all = shapes(5, 2, 3, 4, 3);
    let inputs: [Tensor; 6] = std::array::from_fn(|n| normal(&all[n], n as u64));
    let weights = of(&inputs.each_ref()[1..]);
    for reverse in [false, true] {
        let settings = LstmSettings { reverse, ..Default::default() };
        let run = |first, count, state: Option<&LstmState>| {
            lstm(&inputs[0].narrow(0, first, count).unwrap(), &weights, state, settings).unwrap()
        };
        let (whole, end) = run(0, 5, None);
        let (early, late) = if reverse { ((3, 2), (0, 3)) } else { ((0, 2), (2, 3)) };
        let (begun, state) = run(early.0, early.1, None);
        let (ended, last) = run(late.0, late.1, Some(&state));
        let joined = if reverse { [&ended, &begun] } else { [&begun, &ended] };
        assert_eq!(values(&whole), values(&Tensor::cat(&joined, 0).unwrap()));
        assert_eq!((values(&end.cell), values(&end.hidden)), (values(&last.cell), values(&last.hidden)));
        // The last state is the last step's; what comes later changes nothing before.
        let last_step = if reverse { whole.get(0) } else { whole.get(4) };
        assert_eq!(values(&end.hidden), values(&last_step.unwrap()));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let all = shapes(2, 1, 3, 4, 4);
    let inputs: [Tensor; 6] = std::array::from_fn(|n| normal(&all[n], n as u64));
    let [x, ih, hh, a, c, _] = inputs.each_ref();
    let message = lstm(x, &of(&[hh, hh, a, c]), None, LstmSettings::default()).unwrap_err().to_string();
    assert!(message.contains("lstm: [2, 1, 3] with weights of [16, 4], [16, 4] and None"), "{message}");
    let other = state(2, 4, 4);
    let message = lstm(x, &of(&[ih, hh, a, c]), Some(&other), LstmSettings::default()).unwrap_err().to_string();
    assert!(message.contains("a state of [2, 4] and [2, 4]; expected [1, 4] and [1, 4]"), "{message}");
}
