//! Layouts and products of one piece of the attention: scores, and rows by head.

use burn::tensor::{DType, Tensor};

use super::heads::HeadShape;
use super::indices::{BatchIndices, PieceIndices};

/// Score of a hidden key. It is finite, so that a row without visible keys, as in padding, has no NaN; next to any
/// other score its exponential is zero.
pub const HIDDEN: f32 = -1e30;

/// Returns a factor of matrix products in the type of the products.
pub fn factor<const D: usize>(x: Tensor<D>, shape: HeadShape) -> Tensor<D> {
    if shape.bf16 { x.cast(DType::BF16) } else { x }
}

/// Returns the product of two factors in f32 where they were rounded to bf16, otherwise in their own type.
pub fn product(a: Tensor<4>, b: Tensor<4>, shape: HeadShape) -> Tensor<4> {
    let out = a.matmul(b);
    if shape.bf16 { out.cast(DType::F32) } else { out }
}

/// Returns the rows of a piece's queries by head. `x` is `[plan.queries(), heads * size]`, the result
/// `[parts, kv_heads, group * queries, size]`.
pub fn queries(x: &Tensor<2>, parts: usize, piece: &PieceIndices, shape: HeadShape) -> Tensor<4> {
    let size = x.dims()[1] / shape.heads;
    piece
        .rows
        .of(x)
        .reshape([parts, piece.queries, shape.kv_heads, shape.group(), size])
        .permute([0, 2, 3, 1, 4])
        .reshape([parts, shape.kv_heads, shape.group() * piece.queries, size])
}

/// Returns values by head, `[parts, kv_heads, group * queries, size]`, as rows, `[parts * queries, heads * size]`.
pub fn query_rows(x: Tensor<4>, parts: usize, piece: &PieceIndices, shape: HeadShape) -> Tensor<2> {
    let size = x.dims()[3];
    x.reshape([parts, shape.kv_heads, shape.group(), piece.queries, size])
        .permute([0, 3, 1, 2, 4])
        .reshape([parts * piece.queries, shape.heads * size])
}

/// Returns the rows of a batch's keys by head. `x` is `[plan.keys(), kv_heads * head_dim]`, the result
/// `[parts, kv_heads, keys, head_dim]`.
pub fn keys(x: &Tensor<2>, batch: &BatchIndices, shape: HeadShape) -> Tensor<4> {
    batch.rows.of(x).reshape([batch.parts, batch.keys, shape.kv_heads, shape.head_dim]).swap_dims(1, 2)
}

/// Returns values by head, `[parts, kv_heads, keys, head_dim]`, as rows, `[parts * keys, kv_heads * head_dim]`.
pub fn key_rows(x: Tensor<4>, batch: &BatchIndices, shape: HeadShape) -> Tensor<2> {
    x.swap_dims(1, 2).reshape([batch.parts * batch.keys, shape.kv_width()])
}

/// Returns the keys of a batch that take part in a piece.
pub fn keys_of_piece(x: &Tensor<4>, piece: &PieceIndices) -> Tensor<4> {
    if piece.keys.len() == x.dims()[2] { x.clone() } else { x.clone().narrow(2, piece.keys.start, piece.keys.len()) }
}

/// Returns the scores `q k^T` of a piece in f32, `[parts, heads, queries, keys]`, with [`HIDDEN`] where a key is
/// hidden. `q` is `[parts, kv_heads, group * queries, head_dim]` and holds the factor of the scores, `k` is
/// `[parts, kv_heads, keys, head_dim]`.
pub fn scores(q: Tensor<4>, k: Tensor<4>, piece: &PieceIndices, shape: HeadShape) -> Tensor<4> {
    let parts = q.dims()[0];
    let scores = product(q, k.swap_dims(2, 3), shape);
    let scores = scores.reshape([parts, shape.heads, piece.queries, piece.keys.len()]);
    match &piece.mask {
        Some(mask) => scores.mask_fill(mask.hidden(), HIDDEN),
        None => scores,
    }
}
