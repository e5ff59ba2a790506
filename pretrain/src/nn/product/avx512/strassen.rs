//! Strassen's product (1969): of two matrices cut into quadrants, seven products of half the size in place of eight.
//!
//! The sums that they multiply are made while factors are packed, and a product goes to each of the quadrants that it is
//! part of straight from the registers, as Huang, Smith, Henry and van de Geijn do ("Strassen's Algorithm Reloaded", 2016),
//! so that no matrix is read or written for them alone. One level: an eighth fewer multiplications, and errors that are
//! bounded by the largest elements of the factors in place of those of each row and column (Higham, "Accuracy and Stability
//! of Numerical Algorithms", 2002, section 23.2.2).

use super::number::Number;

/// Which half of the rows, and which of the columns.
type Quadrant = (usize, usize);

/// Products that a product is made of, at most.
pub(super) const MOST: usize = 7;

/// A quadrant, and another one that is added to it or taken away.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    pub first: Quadrant,
    /// With whether it is taken away.
    pub second: Option<(Quadrant, bool)>,
}

/// A product of sums, and where it goes.
#[derive(Clone, Copy)]
pub(super) struct Product {
    left: Sum,
    right: Sum,
    pub out: Sum,
}

/// How a product is made of products.
#[derive(Clone, Copy)]
pub(super) struct Scheme {
    pub products: &'static [Product],
    /// Into how many parts rows, columns and k are cut.
    pub parts: usize,
}

const fn one(row: usize, column: usize) -> Sum {
    Sum { first: (row - 1, column - 1), second: None }
}

impl Sum {
    const fn plus(self, row: usize, column: usize) -> Sum {
        Sum { second: Some(((row - 1, column - 1), false)), ..self }
    }

    const fn minus(self, row: usize, column: usize) -> Sum {
        Sum { second: Some(((row - 1, column - 1), true)), ..self }
    }

    /// Of the transposed matrix.
    const fn transposed(self) -> Sum {
        let second = match self.second {
            Some(((row, column), negative)) => Some(((column, row), negative)),
            None => None,
        };
        Sum { first: (self.first.1, self.first.0), second }
    }
}

impl Product {
    const fn of(left: Sum, right: Sum, out: Sum) -> Product {
        Product { left, right: right.transposed(), out }
    }

    /// The sum of the left factor (M, K), or of the right one as it is packed, transposed (N, K).
    pub const fn factor(&self, left: bool) -> Sum {
        if left { self.left } else { self.right }
    }
}

/// The product as it is.
pub(super) const WHOLE: Scheme = Scheme { products: &[Product::of(one(1, 1), one(1, 1), one(1, 1))], parts: 1 };

/// Strassen's seven.
const SEVEN: [Product; MOST] = [
    Product::of(one(1, 1).plus(2, 2), one(1, 1).plus(2, 2), one(1, 1).plus(2, 2)),
    Product::of(one(2, 1).plus(2, 2), one(1, 1), one(2, 1).minus(2, 2)),
    Product::of(one(1, 1), one(1, 2).minus(2, 2), one(1, 2).plus(2, 2)),
    Product::of(one(2, 2), one(2, 1).minus(1, 1), one(1, 1).plus(2, 1)),
    Product::of(one(1, 1).plus(1, 2), one(2, 2), one(1, 2).minus(1, 1)),
    Product::of(one(2, 1).minus(1, 1), one(1, 1).plus(1, 2), one(2, 2)),
    Product::of(one(1, 2).minus(2, 2), one(2, 1).plus(2, 2), one(1, 1)),
];

/// The product made of [`SEVEN`].
pub(super) const STRASSEN: Scheme = Scheme { products: &SEVEN, parts: 2 };

/// The sums of a factor that [`SEVEN`] multiply.
pub(super) const fn sums(left: bool) -> [Sum; MOST] {
    let mut sums = [one(1, 1); MOST];
    let mut product = 0;
    while product < MOST {
        sums[product] = SEVEN[product].factor(left);
        product += 1;
    }
    sums
}

/// Rows, columns and numbers of k from which on seven products are faster than eight: on an AMD Zen 4 all products of D 512
/// but one are, by 3 to 11 %, those of D 256 by 1 % (docs/log.md).
const LARGE: usize = 512;

/// How a product (M, K) · (K, N) is made. What a task packs for itself of a right factor that is no narrower than the left
/// one would not stay in its core's cache seven times; one that was packed before may be.
pub(super) fn scheme<N: Number>(m: usize, n: usize, k: usize, packed_before: bool) -> Scheme {
    let cut = [m, n, k].iter().all(|size| size.is_multiple_of(2) && *size >= LARGE) && (m >= n || packed_before);
    if N::DEPTH == 1 && cut { STRASSEN } else { WHOLE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seven_products_are_the_product() {
        let (a, b) = ([[2, 3], [5, 7]], [[11, 13], [17, 19]]);
        let of = |sum: Sum, x: [[i32; 2]; 2]| {
            let at = |(row, column): Quadrant| x[row][column];
            at(sum.first)
                + sum.second.map_or(0, |(quadrant, negative)| if negative { -at(quadrant) } else { at(quadrant) })
        };
        // The right factor is packed transposed.
        let turned = [[b[0][0], b[1][0]], [b[0][1], b[1][1]]];
        for Scheme { products, parts } in [STRASSEN, WHOLE] {
            let mut out = [[0; 2]; 2];
            for product in products {
                let value = of(product.factor(true), a) * of(product.factor(false), turned);
                let (row, column) = product.out.first;
                out[row][column] += value;
                if let Some(((row, column), negative)) = product.out.second {
                    out[row][column] += if negative { -value } else { value };
                }
            }
            let expected = [[2 * 11 + 3 * 17, 2 * 13 + 3 * 19], [5 * 11 + 7 * 17, 5 * 13 + 7 * 19]];
            assert_eq!(out, if parts == 2 { expected } else { [[2 * 11, 0], [0, 0]] });
        }
    }
}
