//! Words of 64 bits, sorted by a band of 16 of their bits, so that similar words are found without comparing all.

/// Bits of a band.
pub(super) const BITS: u32 = 16;

/// Number of bands of a word.
pub(super) const BANDS: u32 = 64 / BITS;

/// Words sorted by one band of their bits; words with an equal band are in the order of their numbers. Holds 12 bytes for a word.
pub(super) struct Band {
    band: u32,
    /// Start of each value of the band, and the end.
    starts: Vec<u32>,
    words: Vec<u64>,
    numbers: Vec<u32>,
}

/// Words with an equal band.
#[derive(Clone, Copy)]
pub(super) struct Bucket<'b> {
    words: &'b [u64],
    numbers: &'b [u32],
}

impl Band {
    /// Sorts words by their band `band`, counted from the lowest bits. Their numbers are 0, 1 and so on.
    pub(super) fn of(words: impl Iterator<Item = u64> + Clone, band: u32) -> Self {
        let mut starts = vec![0u32; (1 << BITS) + 1];
        words.clone().for_each(|word| starts[value(word, band) + 1] += 1);
        (0..1 << BITS).for_each(|value| starts[value + 1] += starts[value]);
        let mut next = starts.clone();
        let count = starts[1 << BITS] as usize;
        let (mut sorted, mut numbers) = (vec![0; count], vec![0; count]);
        for (number, word) in (0..).zip(words) {
            let at = &mut next[value(word, band)];
            (sorted[*at as usize], numbers[*at as usize]) = (word, number);
            *at += 1;
        }
        Self { band, starts, words: sorted, numbers }
    }

    /// Returns the words that agree with `word` in the band.
    pub(super) fn bucket(&self, word: u64) -> Bucket<'_> {
        let value = value(word, self.band);
        let range = self.starts[value] as usize..self.starts[value + 1] as usize;
        Bucket { words: &self.words[range.clone()], numbers: &self.numbers[range] }
    }
}

/// Bits of a band of a word.
fn value(word: u64, band: u32) -> usize {
    (word >> (BITS * band)) as usize & ((1 << BITS) - 1)
}

impl<'b> Bucket<'b> {
    /// Returns the number of words.
    pub(super) fn len(self) -> usize {
        self.words.len()
    }

    /// Returns the words from number `first` on.
    pub(super) fn from(self, first: u32) -> Self {
        let from = self.numbers.partition_point(|number| *number < first);
        Self { words: &self.words[from..], numbers: &self.numbers[from..] }
    }

    /// Returns the words, with their numbers, that differ from `word` in at most `bits` bits.
    pub(super) fn near(self, word: u64, bits: u32) -> impl Iterator<Item = (u64, u32)> + 'b {
        let pairs = self.words.iter().copied().zip(self.numbers.iter().copied());
        pairs.filter(move |(other, _)| (word ^ other).count_ones() <= bits)
    }
}
