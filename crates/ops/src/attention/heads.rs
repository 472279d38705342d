//! Sizes of an attention layer's heads.

/// Sizes of an attention layer's heads.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
}

impl Heads {
    /// Number of values in a row of queries.
    pub fn width(self) -> usize {
        self.heads * self.head_dim
    }

    /// Number of values in a row of keys.
    pub fn kv_width(self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Number of query heads that share a key/value head.
    pub fn group(self) -> usize {
        self.heads / self.kv_heads
    }

    /// Factor of the scores, `1 / sqrt(head_dim)`.
    pub fn scale(self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }
}
