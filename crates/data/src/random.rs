//! Random streams that depend only on a seed and a key, so no generator state has to be saved to resume a run.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// Returns the random generator (ChaCha8) for a seed and a key of any number of parts. Equal arguments give the same
/// stream on every machine; another seed or key gives an independent stream. Each part is hashed with its length, so
/// `["ab", "c"]` and `["a", "bc"]` differ.
#[must_use]
pub fn stream(seed: u64, key: &[&str]) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    for part in key {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    ChaCha8Rng::from_seed(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::stream;
    use rand::RngCore;

    #[test]
    fn equal_keys_agree_and_different_keys_differ() {
        let first = |seed, key: &[&str]| stream(seed, key).next_u64();
        assert_eq!(first(7, &["a", "b"]), first(7, &["a", "b"]));
        assert_ne!(first(7, &["ab", "c"]), first(7, &["a", "bc"]));
        assert_ne!(first(7, &["a"]), first(8, &["a"]));
    }
}
