//! Random draws of a suite.

use rand_chacha::ChaCha8Rng;
use stepwise_data::random::stream;

/// Source of random numbers: the suite's seed and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuiteRng {
    /// Seed of the suite.
    pub seed: u64,
    /// Version of the suite.
    pub version: u32,
}

impl SuiteRng {
    /// Returns the random generator for the draws named `purpose` about the thing that the ids in `about` identify,
    /// such as case and item. Equal arguments give equal generators, so draws are the same at every epoch.
    #[must_use]
    pub fn stream(self, purpose: &str, about: &[&str]) -> ChaCha8Rng {
        let version = format!("suite/{}", self.version);
        let mut key = vec![version.as_str(), purpose];
        key.extend_from_slice(about);
        stream(self.seed, &key)
    }
}
