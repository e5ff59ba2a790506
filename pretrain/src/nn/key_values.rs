//! Attention of tokens that come one after another, forward only: keys and values of those before are kept, so that a new
//! token costs one row and not a window.

use crate::error::Result;
use crate::nn::heads::{HeadNorms, Heads, Preparation};
use crate::nn::product::{Matrix, MatrixMut, Old, Threads, multiply};
use crate::nn::vector::{exponentials, largest, scale};
use crate::nn::{plain, slices};
use candle_core::{D, DType, Device, Tensor};
use rayon::prelude::*;

/// Queries handled at once.
const BLOCK: usize = 64;

/// Weights (K) of the norms over each query and each key, and what is added to the mean square.
pub(crate) type Norms<'a> = Option<([&'a Tensor; 2], f64)>;

/// Keys and values of one layer, of sequences of one length. It is no `Clone`: a copy would share its storage, and a
/// token added to one would be written into the other.
#[derive(Debug)]
pub(crate) struct KeyValues {
    /// (B, G, room, K), normed and rotated as the layout has it.
    keys: Tensor,
    /// (B, G, room, K).
    values: Tensor,
    /// Tokens there are; what lies behind them is not looked at.
    length: usize,
}

impl KeyValues {
    /// No token yet, and room for `room` in each of `rows` sequences; `width` is K.
    pub fn new(
        rows: usize,
        heads: &Heads,
        width: usize,
        room: usize,
        (dtype, device): (DType, &Device),
    ) -> Result<Self> {
        let zeros = || Tensor::zeros((rows, heads.keys, room, width), dtype, device);
        Ok(KeyValues { keys: zeros()?, values: zeros()?, length: 0 })
    }

    /// Tokens there are.
    pub fn length(&self) -> usize {
        self.length
    }

    /// A copy of these sequences, in this order; one may come several times.
    pub fn select(&self, rows: &Tensor) -> Result<KeyValues> {
        let of = |all: &Tensor| all.index_select(rows, 0);
        Ok(KeyValues { keys: of(&self.keys)?, values: of(&self.values)?, length: self.length })
    }

    /// The sequences of all of `parts`, which have one length, one after another.
    pub fn stack(parts: &[KeyValues]) -> Result<KeyValues> {
        let of = |which: fn(&KeyValues) -> &Tensor| Tensor::cat(&parts.iter().map(which).collect::<Vec<_>>(), 0);
        let length = parts.first().map_or(0, |part| part.length);
        Ok(KeyValues { keys: of(|part| &part.keys)?, values: of(|part| &part.values)?, length })
    }

    /// Adds the keys and values of new tokens and gives what their queries find (B, t, H · K): `joined` are queries
    /// (B, t, H · K), keys and values (B, t, G · K), head by head, as they come from their maps.
    pub fn attend(&mut self, joined: [&Tensor; 3], heads: &Heads, norms: Norms) -> Result<Tensor> {
        let (_, t, _) = joined[0].dims3()?;
        let before = self.length;
        let fused = slices::are_f32_on_cpu(&joined);
        let [q, k] = if fused {
            prepared([joined[0], joined[1]], heads, norms, before)?
        } else {
            plainly_prepared([joined[0], joined[1]], heads, norms, before)?
        };
        self.keys.slice_set(&k, 2, before)?;
        self.values.slice_set(&by_head(joined[2], heads.keys)?, 2, before)?;
        self.length += t;
        if fused { self.found(&q, before) } else { self.plainly_found(&q, before) }
    }

    /// What prepared queries (B, H, t, K) after `before` tokens find.
    fn found(&self, q: &Tensor, before: usize) -> Result<Tensor> {
        let ((b, h, t, k), (_, g, room, _)) = (q.dims4()?, self.keys.dims4()?);
        let (shared, mut out) = (h / g, vec![0.0; b * t * h * k]);
        slices::read([q, &self.keys, &self.values], |[q, keys, values]| {
            // A task is a head of keys with the heads of queries that share it.
            let outs = out.chunks_exact_mut(t * h * k).flat_map(|out| MatrixMut::new(out, t).split_columns(g));
            let tasks: Vec<_> = outs.enumerate().collect();
            tasks.into_par_iter().for_each(|(task, out)| {
                let [keys, values] = [keys, values].map(|all| &all[task * room * k..][..self.length * k]);
                let [keys, values] = [keys, values].map(|all| Matrix::new(all, self.length));
                let of_group = q[task * shared * t * k..].chunks_exact(t * k);
                for (mut out, queries) in out.split_columns(shared).zip(of_group) {
                    attend(Matrix::new(queries, t), keys, values, before, &mut out);
                }
            });
        })?;
        Ok(Tensor::from_vec(out, (b, t, h * k), q.device())?)
    }

    /// The same by candle's operations.
    fn plainly_found(&self, q: &Tensor, before: usize) -> Result<Tensor> {
        let ((b, h, t, k), (_, g, _, _)) = (q.dims4()?, self.keys.dims4()?);
        let so_far = |all: &Tensor| -> Result<Tensor> {
            let all = all.narrow(2, 0, self.length)?.unsqueeze(2)?;
            Ok(all.broadcast_as((b, g, h / g, self.length, k))?.contiguous()?.reshape((b, h, self.length, k))?)
        };
        let mut scores = q.matmul(&so_far(&self.keys)?.t()?.contiguous()?)?; // (B, H, t, length)
        if t > 1 {
            let seen = |i: usize| i % self.length <= before + i / self.length;
            let mask: Vec<f32> = (0..t * self.length).map(|i| if seen(i) { 0.0 } else { -1e30 }).collect();
            let mask = Tensor::from_vec(mask, (t, self.length), q.device())?.to_dtype(q.dtype())?;
            scores = scores.broadcast_add(&mask)?;
        }
        let weights = candle_nn::ops::softmax(&scores, D::Minus1)?;
        Ok(weights.matmul(&so_far(&self.values)?)?.transpose(1, 2)?.contiguous()?.reshape((b, t, h * k))?)
    }
}

/// One head: prepared `queries` (t, K), which come after `before` tokens, against `keys` and `values` (all, K).
fn attend(queries: Matrix, keys: Matrix, values: Matrix, before: usize, out: &mut MatrixMut) {
    let t = queries.rows;
    for start in (0..t).step_by(BLOCK) {
        let rows = start..(start + BLOCK).min(t);
        let end = before + rows.end;
        let mut scores = vec![0.0; rows.len() * end];
        let into = &mut MatrixMut::new(&mut scores, rows.len());
        multiply(into, queries.rows(rows.clone()), keys.rows(0..end).transposed(), 1.0, Old::Replace, Threads::One);
        for (i, row) in scores.chunks_exact_mut(end).enumerate() {
            let (seen, later) = row.split_at_mut(before + start + i + 1);
            let most = largest(seen);
            let sum = exponentials(seen, most);
            scale(seen, 1.0 / sum);
            later.fill(0.0);
        }
        let weights = Matrix::new(&scores, rows.len());
        multiply(&mut out.rows(rows), weights, values.rows(0..end), 1.0, Old::Replace, Threads::One);
    }
}

/// (B, C, t, K) from (B, t, C · K).
fn by_head(part: &Tensor, count: usize) -> Result<Tensor> {
    let (b, t, width) = part.dims3()?;
    Ok(part.reshape((b, t, count, width / count))?.transpose(1, 2)?.contiguous()?)
}

/// Queries, with the factor of the scores, and keys, by head, normed and rotated.
fn prepared(parts: [&Tensor; 2], heads: &Heads, norms: Norms, before: usize) -> Result<[Tensor; 2]> {
    let of = |norms: Option<HeadNorms>| -> Result<[Tensor; 2]> {
        let factor = 1.0 / (width(parts[0], heads)? as f32).sqrt();
        let [of_queries, of_keys] = Preparation::both(heads, norms, factor);
        let both = [(parts[0], heads.queries, of_queries), (parts[1], heads.keys, of_keys)];
        let [q, k] = both.map(|(part, count, preparation)| -> Result<Tensor> {
            let (b, t, columns) = part.dims3()?;
            let (k, mut out) = (columns / count, vec![0.0; part.elem_count()]);
            slices::read([part], |[part]| {
                out.par_chunks_exact_mut(t * k).enumerate().for_each(|(number, into)| {
                    let (row, head) = (number / count, number % count);
                    let all = Matrix::new(&part[row * t * columns..(row + 1) * t * columns], t);
                    preparation.prepare_after(before, all.columns(head * k..(head + 1) * k), into);
                });
            })?;
            Ok(Tensor::from_vec(out, (b, count, t, k), part.device())?)
        });
        Ok([q?, k?])
    };
    match norms {
        None => of(None),
        Some((weights, epsilon)) => {
            slices::read(weights, |weights| of(Some(HeadNorms { weights, epsilon: epsilon as f32 })))?
        }
    }
}

/// The same by candle's operations.
fn plainly_prepared(parts: [&Tensor; 2], heads: &Heads, norms: Norms, before: usize) -> Result<[Tensor; 2]> {
    let of = |which: usize, count: usize| -> Result<Tensor> {
        let mut part = by_head(parts[which], count)?;
        if let Some((weights, epsilon)) = norms {
            part = plain::rms_norm(&part, weights[which], epsilon)?;
        }
        match &heads.rope {
            Some(rope) => plain::rotate_after(before, &part, rope),
            None => Ok(part),
        }
    };
    let factor = (width(parts[0], heads)? as f64).powf(-0.5);
    Ok([(of(0, heads.queries)? * factor)?.contiguous()?, of(1, heads.keys)?.contiguous()?])
}

/// K.
fn width(queries: &Tensor, heads: &Heads) -> Result<usize> {
    Ok(queries.dim(2)? / heads.queries)
}
