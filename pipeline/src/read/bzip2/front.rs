//! Moving to the front: values by how long ago they were met.

/// All 256 values, the last one met first.
pub(super) struct Front([u8; 256]);

impl Front {
    /// In the order of `values`.
    pub fn new(values: &[u8]) -> Front {
        let mut all = [0; 256];
        all[..values.len()].copy_from_slice(values);
        Front(all)
    }

    /// The value met last.
    #[inline(always)]
    pub fn first(&self) -> u8 {
        self.0[0]
    }

    /// The value at `index`, which moves to the front.
    #[inline(always)]
    pub fn take(&mut self, index: usize) -> u8 {
        let value = self.0[index & 255];
        if index < 8 {
            let first: &mut [u8; 8] = (&mut self.0[..8]).try_into().expect("eight");
            let all = u64::from_le_bytes(*first);
            // The places up to `index`.
            let moved = u64::MAX >> (56 - 8 * index);
            *first = (all & !moved | all << 8 & moved | u64::from(value)).to_le_bytes();
        } else if index < 16 {
            let first: &mut [u8; 16] = (&mut self.0[..16]).try_into().expect("sixteen");
            let all = u128::from_le_bytes(*first);
            let moved = u128::MAX >> (120 - 8 * index);
            *first = (all & !moved | all << 8 & moved | u128::from(value)).to_le_bytes();
        } else {
            self.0.copy_within(..index & 255, 1);
            self.0[0] = value;
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_moves_to_the_front_from_everywhere() {
        let values: Vec<u8> = (0..=255).rev().collect();
        for index in 0..256 {
            let mut wanted = values.clone();
            let value = wanted.remove(index);
            wanted.insert(0, value);
            let mut front = Front::new(&values);
            assert_eq!(front.take(index), value);
            assert_eq!((front.0.as_slice(), front.first()), (&wanted[..], value), "{index}");
        }
    }
}
