//! Loops over f32 slices, compiled for the widest vectors the processor has, and our own exponential.
//!
//! `vectorised!` compiles one body several times: for AVX-512, for AVX2 with FMA, and for what the target always has. The
//! choice is made at run time, once a call, so the results repeat on one machine but may differ in the last bit between
//! machines. Sums run in [`LANES`] partial sums in a fixed order.

/// Partial sums of a reduction; one AVX-512 register.
pub(crate) const LANES: usize = 16;

/// Defines a function whose body is compiled for several instruction sets; in the body, `FUSED` says whether a fused
/// multiply-add is one instruction (see [`multiply_add`]).
macro_rules! vectorised {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "a kernel takes each slice it reads and writes")]
        $vis fn $name($($argument: $kind),*) $(-> $result)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments, clippy::extra_unused_type_parameters, reason = "as above")]
            fn body<const FUSED: bool>($($argument: $kind),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
                #[allow(clippy::too_many_arguments, reason = "as above")]
                fn avx512($($argument: $kind),*) $(-> $result)? { body::<true>($($argument),*) }
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments, reason = "as above")]
                fn avx2($($argument: $kind),*) $(-> $result)? { body::<true>($($argument),*) }
                match $crate::nn::vector::level() {
                    // SAFETY: the processor has the features the function was compiled with.
                    $crate::nn::vector::Level::Avx512 => return unsafe { avx512($($argument),*) },
                    // SAFETY: as above.
                    $crate::nn::vector::Level::Avx2 => return unsafe { avx2($($argument),*) },
                    $crate::nn::vector::Level::Baseline => {}
                }
            }
            // Every aarch64 processor has a fused multiply-add.
            body::<{ cfg!(target_arch = "aarch64") }>($($argument),*)
        }
    };
}
pub(crate) use vectorised;

/// Instruction sets of x86-64 told apart.
#[cfg(target_arch = "x86_64")]
pub(crate) enum Level {
    Avx512,
    Avx2,
    Baseline,
}

/// What this processor has; the standard library remembers the answer.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn level() -> Level {
    let wide = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl");
    if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
        Level::Baseline
    } else if wide {
        Level::Avx512
    } else {
        Level::Avx2
    }
}

/// `a · b + c`, rounded once where that is one instruction, else twice (a fused one would be a function call).
#[inline(always)]
pub(crate) fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// `e^x`, relative error below 3e-7 (measured in the tests) for x from -87 to 88; beyond, the value at the nearer end.
/// NaN stays NaN.
///
/// x = n ln 2 + r with |r| ≤ ln 2 / 2; e^r is its Taylor polynomial of degree 7, whose remainder is at most
/// r⁸/8! · √2 = 8e-9; ln 2 is taken off in two parts so that r keeps its digits; 2ⁿ goes into the exponent's bits.
#[inline(always)]
pub(crate) fn exp<const FUSED: bool>(x: f32) -> f32 {
    /// ln 2 = HIGH - LOW; HIGH = 355 / 512 has so few bits that n · HIGH is exact.
    const HIGH: f32 = 355.0 / 512.0;
    const LOW: f32 = (355.0 / 512.0 - std::f64::consts::LN_2) as f32;
    /// Adding 1.5 · 2²³ rounds to a whole number, which is then the low bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    const FACTORIALS: [f32; 8] = [1.0, 1.0, 1.0 / 2.0, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0, 1.0 / 5040.0];
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let shifted = multiply_add::<FUSED>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = multiply_add::<FUSED>(n, LOW, multiply_add::<FUSED>(n, -HIGH, x));
    let mut power = FACTORIALS[7];
    power = multiply_add::<FUSED>(power, r, FACTORIALS[6]);
    power = multiply_add::<FUSED>(power, r, FACTORIALS[5]);
    power = multiply_add::<FUSED>(power, r, FACTORIALS[4]);
    power = multiply_add::<FUSED>(power, r, FACTORIALS[3]);
    power = multiply_add::<FUSED>(power, r, FACTORIALS[2]);
    power = multiply_add::<FUSED>(power, r, FACTORIALS[1]);
    power = multiply_add::<FUSED>(power, r, FACTORIALS[0]);
    let exponent = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32).wrapping_add(127);
    power * f32::from_bits((exponent as u32) << 23)
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(crate) fn sigmoid<const FUSED: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<FUSED>(-x))
}

/// The hyperbolic tangent, absolute error below 3e-7 (measured in the tests).
#[inline(always)]
pub(crate) fn tanh<const FUSED: bool>(x: f32) -> f32 {
    1.0 - 2.0 / (1.0 + exp::<FUSED>(2.0 * x))
}

/// The first elements of a row, filled up with zeros where there are fewer: values that alias nothing, so that a loop
/// over many rows at once is vectorised.
#[inline(always)]
pub(crate) fn load(row: &[f32]) -> [f32; LANES] {
    if let Some(lanes) = row.first_chunk() {
        return *lanes;
    }
    let mut lanes = [0.0; LANES];
    lanes[..row.len()].copy_from_slice(row);
    lanes
}

/// Writes the first elements of a row, as many as it has.
#[inline(always)]
pub(crate) fn store(row: &mut [f32], lanes: [f32; LANES]) {
    match row.first_chunk_mut() {
        Some(first) => *first = lanes,
        None => row.copy_from_slice(&lanes[..row.len()]),
    }
}

/// Partial sums to one: halves are added until one is left.
#[inline(always)]
pub(crate) fn fold(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// Scalar product, for use inside a vectorised body.
#[inline(always)]
pub(crate) fn dot<const FUSED: bool>(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (mut left, mut right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (a, b) in left.by_ref().zip(right.by_ref()) {
        for i in 0..LANES {
            lanes[i] = multiply_add::<FUSED>(a[i], b[i], lanes[i]);
        }
    }
    for (i, (a, b)) in left.remainder().iter().zip(right.remainder()).enumerate() {
        lanes[i] = multiply_add::<FUSED>(*a, *b, lanes[i]);
    }
    fold(lanes)
}

vectorised! {
    /// The largest element; minus infinity for none. A NaN may be passed over.
    pub(crate) fn largest(row: &[f32]) -> f32 {
        let mut lanes = [f32::NEG_INFINITY; LANES];
        let mut chunks = row.chunks_exact(LANES);
        for chunk in chunks.by_ref() {
            for i in 0..LANES {
                lanes[i] = if chunk[i] > lanes[i] { chunk[i] } else { lanes[i] };
            }
        }
        chunks.remainder().iter().chain(&lanes).copied().fold(f32::NEG_INFINITY, f32::max)
    }
}

vectorised! {
    /// Puts `e^(x - shift)` in the place of each x and gives their sum.
    pub(crate) fn exponentials(row: &mut [f32], shift: f32) -> f32 {
        let mut lanes = [0.0; LANES];
        let mut chunks = row.chunks_exact_mut(LANES);
        for chunk in chunks.by_ref() {
            for i in 0..LANES {
                chunk[i] = exp::<FUSED>(chunk[i] - shift);
                lanes[i] += chunk[i];
            }
        }
        for (i, x) in chunks.into_remainder().iter_mut().enumerate() {
            *x = exp::<FUSED>(*x - shift);
            lanes[i] += *x;
        }
        fold(lanes)
    }
}

vectorised! {
    /// The sum of `e^(x - shift)`.
    pub(crate) fn sum_of_exponentials(row: &[f32], shift: f32) -> f32 {
        let mut lanes = [0.0; LANES];
        let mut chunks = row.chunks_exact(LANES);
        for chunk in chunks.by_ref() {
            for i in 0..LANES {
                lanes[i] += exp::<FUSED>(chunk[i] - shift);
            }
        }
        for (i, x) in chunks.remainder().iter().enumerate() {
            lanes[i] += exp::<FUSED>(*x - shift);
        }
        fold(lanes)
    }
}

vectorised! {
    /// Multiplies each element by `factor`.
    pub(crate) fn scale(row: &mut [f32], factor: f32) {
        row.iter_mut().for_each(|x| *x *= factor);
    }
}

vectorised! {
    /// Adds `b` to `a`.
    pub(crate) fn add(a: &mut [f32], b: &[f32]) {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    }
}

vectorised! {
    /// The sum of all elements.
    pub(crate) fn sum(row: &[f32]) -> f32 {
        let mut lanes = [0.0; LANES];
        let mut chunks = row.chunks_exact(LANES);
        for chunk in chunks.by_ref() {
            for i in 0..LANES {
                lanes[i] += chunk[i];
            }
        }
        chunks.remainder().iter().enumerate().for_each(|(i, x)| lanes[i] += x);
        fold(lanes)
    }
}

vectorised! {
    /// The sum of squares in f64, from partial sums in f64.
    pub(crate) fn sum_of_squares(row: &[f32]) -> f64 {
        let mut lanes = [0f64; LANES];
        let mut chunks = row.chunks_exact(LANES);
        for chunk in chunks.by_ref() {
            for i in 0..LANES {
                lanes[i] += f64::from(chunk[i]) * f64::from(chunk[i]);
            }
        }
        let rest: f64 = chunks.remainder().iter().map(|x| f64::from(*x).powi(2)).sum();
        lanes.iter().sum::<f64>() + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_as_good_as_documented_with_and_without_fused_additions() {
        let mut worst = [0f64; 2];
        for i in 0..=1_750_000 {
            let x = -87.0 + i as f32 * 1e-4;
            let expected = f64::from(x).exp();
            for (worst, found) in worst.iter_mut().zip([exp::<false>(x), exp::<true>(x)]) {
                *worst = worst.max((f64::from(found) / expected - 1.0).abs());
            }
        }
        assert!(worst.iter().all(|worst| *worst < 3e-7), "{worst:?}");
        assert_eq!(exp::<true>(0.0), 1.0);
        assert_eq!(exp::<false>(-1e30), exp::<false>(-87.0));
        assert_eq!(exp::<false>(f32::INFINITY), exp::<false>(88.0));
        assert!(exp::<true>(f32::NAN).is_nan() && exp::<false>(f32::NAN).is_nan());
    }

    #[test]
    fn the_hyperbolic_tangent_is_as_good_as_documented() {
        for i in -1_000_000..=1_000_000 {
            let x = i as f32 * 1e-5;
            let expected = f64::from(x).tanh();
            for found in [tanh::<false>(x), tanh::<true>(x)] {
                assert!((f64::from(found) - expected).abs() < 3e-7, "{found} for tanh {x}");
            }
        }
        assert_eq!([tanh::<true>(1e30), tanh::<true>(-1e30)], [1.0, -1.0]);
        assert!(tanh::<true>(f32::NAN).is_nan());
    }

    #[test]
    fn reductions_count_the_rest() {
        for n in [0, 1, 15, 16, 17, 33] {
            let row: Vec<f32> = (0..n).map(|i| ((i * 7) % 5) as f32 - 2.0).collect();
            let expected: f64 = row.iter().map(|x| f64::from(*x - 1.0).exp()).sum();
            assert!((f64::from(sum_of_exponentials(&row, 1.0)) - expected).abs() < 1e-5);
            let mut powers = row.clone();
            assert_eq!(exponentials(&mut powers, 1.0), sum_of_exponentials(&row, 1.0));
            assert!((f64::from(powers.iter().sum::<f32>()) - expected).abs() < 1e-5);
            assert_eq!(sum_of_squares(&row), row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>());
            assert_eq!(f64::from(dot::<false>(&row, &row)), sum_of_squares(&row));
            assert_eq!(sum(&row), row.iter().sum::<f32>());
            assert_eq!(largest(&row), row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
