//! How the heads of an attention layer lie in rows of queries and keys.

/// The heads of an attention layer.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
}

impl Heads {
    /// Values in a row of queries.
    pub fn width(self) -> usize {
        self.heads * self.head_dim
    }

    /// Values in a row of keys.
    pub fn kv_width(self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Query heads that share a key/value head.
    pub fn group(self) -> usize {
        self.heads / self.kv_heads
    }

    /// What scores are multiplied by.
    pub fn scale(self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }
}
