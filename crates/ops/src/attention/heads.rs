//! Sizes of an attention layer's heads and the factor of its scores.

/// Numbers of heads of an attention layer and the factor of its scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heads {
    /// Number of query heads, a multiple of `kv_heads` (grouped-query attention, Ainslie et al. 2023).
    pub heads: usize,
    /// Number of key heads, which equals the number of value heads; at least 1.
    pub kv_heads: usize,
    /// Factor of the scores `q k^T`. None means `1 / sqrt(head_dim)` (Vaswani et al. 2017). Gemma 3 states another
    /// factor, `1 / sqrt(query_pre_attn_scalar)`.
    pub scale: Option<f32>,
    /// Whether the factors and the results of matrix products are rounded to bf16, in the backward pass too. The
    /// softmax, its sums and the sums of products stay f32. The CPU and devices without bf16 ignore it.
    pub bf16: bool,
}

impl Heads {
    /// Returns heads with the default factor of the scores, `1 / sqrt(head_dim)`, and products in the type of the
    /// arguments.
    #[must_use]
    pub fn new(heads: usize, kv_heads: usize) -> Self {
        Self { heads, kv_heads, scale: None, bf16: false }
    }

    /// Returns the sizes for queries of `width` values in a row.
    ///
    /// # Panics
    /// When there are no heads, `heads` is not a multiple of `kv_heads`, or `width` is not a multiple of `heads`.
    pub(crate) fn shape(self, width: usize) -> HeadShape {
        let Self { heads, kv_heads, scale, bf16 } = self;
        assert!(heads > 0 && kv_heads > 0, "an attention layer has heads");
        assert_eq!(heads % kv_heads, 0, "query heads are a multiple of key/value heads");
        assert_eq!(width % heads, 0, "a row of q is a multiple of the query heads");
        let head_dim = width / heads;
        let scale = scale.unwrap_or_else(|| 1.0 / (head_dim as f32).sqrt());
        HeadShape { heads, kv_heads, head_dim, scale, bf16 }
    }
}

/// Numbers and size of an attention layer's heads, with the factor of its scores.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadShape {
    /// Number of query heads, a multiple of `kv_heads`.
    pub heads: usize,
    /// Number of key heads, which equals the number of value heads.
    pub kv_heads: usize,
    /// Number of features of one head.
    pub head_dim: usize,
    /// Factor of the scores.
    pub scale: f32,
    /// Whether devices round the factors of products to bf16.
    pub bf16: bool,
}

impl HeadShape {
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
}
