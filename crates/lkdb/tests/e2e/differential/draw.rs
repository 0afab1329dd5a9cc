//! The draw: a small seeded random number generator and what is drawn from it.

/// SplitMix64 (Steele, Lea, Flood 2014): a seed gives the same questions on every machine, for good.
#[derive(Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    /// Draws of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0. The bias is that of a modulus of 2^64.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// One of them.
    pub(crate) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    /// So many different ones, or all where there are not so many.
    pub(crate) fn some<'a, T>(&mut self, of: &'a [T], many: usize) -> Vec<&'a T> {
        let mut places: Vec<usize> = (0..of.len()).collect();
        let many = many.min(of.len());
        for at in 0..many {
            let other = at + self.below((places.len() - at) as u64) as usize;
            places.swap(at, other);
        }
        places[..many].iter().map(|&place| &of[place]).collect()
    }
}

/// A number from the environment, else `default`.
pub(crate) fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}
