//! Sizes of an attention layer's heads.

/// Numbers and size of an attention layer's heads. `heads` is a multiple of `kv_heads` (grouped-query attention,
/// Ainslie et al. 2023).
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    /// Number of query heads.
    pub heads: usize,
    /// Number of key heads, which equals the number of value heads.
    pub kv_heads: usize,
    /// Number of features of one head.
    pub head_dim: usize,
}

impl Heads {
    /// Returns the number of values in a row of queries, `heads * head_dim`.
    pub fn width(self) -> usize {
        self.heads * self.head_dim
    }

    /// Returns the number of values in a row of keys or values, `kv_heads * head_dim`.
    pub fn kv_width(self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Returns the number of query heads that share one key/value head.
    pub fn group(self) -> usize {
        self.heads / self.kv_heads
    }

    /// Returns the factor of the scores, `1 / sqrt(head_dim)` (Vaswani et al. 2017).
    pub fn scale(self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }
}
