//! Numbers drawn by key and counter: the same on every machine, whatever was drawn before elsewhere.

/// The number at place `counter` of the stream `key`: splitmix64 (Steele, Lea and Flood, OOPSLA 2014).
pub(super) const fn draw(key: u64, counter: u64) -> u64 {
    let mut z = key.wrapping_add(counter.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number in `0..1` from the upper 24 bits, all of which an `f32` holds exactly.
pub(super) const fn unit(bits: u64) -> f32 {
    (bits >> 40) as f32 / 16_777_216.0
}

/// One stream, read from its start.
#[derive(Debug, Clone)]
pub(crate) struct Draws {
    key: u64,
    counter: u64,
}

impl Draws {
    /// The stream `key`.
    pub(crate) const fn new(key: u64) -> Self {
        Self { key, counter: 0 }
    }

    /// The next 64 bits.
    pub(crate) const fn bits(&mut self) -> u64 {
        let bits = draw(self.key, self.counter);
        self.counter += 1;
        bits
    }

    /// A number in `from..to`.
    pub(super) fn between(&mut self, from: f32, to: f32) -> f32 {
        from + (to - from) * unit(self.bits())
    }

    /// A whole number in `0..limit`; `limit` is not 0.
    pub(super) const fn below(&mut self, limit: u32) -> u32 {
        (self.bits() % limit as u64) as u32
    }

    /// One of `choices`.
    pub(super) const fn pick<T: Copy, const N: usize>(&mut self, choices: &[T; N]) -> T {
        const { assert!(N > 0) };
        choices[(self.bits() % N as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_splitmix64() {
        // The first outputs of the reference implementation (prng.di.unimi.it/splitmix64.c) from state 0.
        let mut draws = Draws::new(0);
        assert_eq!(draws.bits(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(draws.bits(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn numbers_stay_in_their_range_and_reach_its_parts() {
        let mut draws = Draws::new(7);
        let drawn: Vec<f32> = (0..1000).map(|_| draws.between(2.0, 4.0)).collect();
        assert!(drawn.iter().all(|number| (2.0..4.0).contains(number)));
        assert!(drawn.iter().any(|number| *number < 2.2) && drawn.iter().any(|number| *number > 3.8));
        let picked: Vec<u32> = (0..100).map(|_| draws.pick(&[0, 1, 2])).collect();
        assert!([0, 1, 2].iter().all(|choice| picked.contains(choice)));
    }
}
