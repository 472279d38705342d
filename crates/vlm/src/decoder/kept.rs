//! Cache of keys and values in generation.

use burn::tensor::Tensor;

/// Number of tokens for which room is added when a buffer is full.
const ROOM: usize = 128;

/// Keys and values of the tokens of one sequence, for each layer.
#[derive(Debug, Default)]
pub(crate) struct Kept(Vec<[Rows; 2]>);

impl Kept {
    /// Appends keys and values of new tokens, `[tokens, kv_heads * head_dim]` each, to those of layer `layer`. Returns
    /// the keys and values of all tokens. Layers are appended in order from 0.
    pub fn append(&mut self, layer: usize, k: Tensor<2>, v: Tensor<2>) -> [Tensor<2>; 2] {
        match self.0.get_mut(layer) {
            Some([keys, values]) => [keys.append(k), values.append(v)],
            None => {
                self.0.push([Rows::new(k.clone()), Rows::new(v.clone())]);
                [k, v]
            }
        }
    }
}

/// Growing matrix. Most appended rows are written in place, so that a token does not copy the rows before it.
#[derive(Debug)]
struct Rows {
    /// Rows in use, then room for more; None only while rows are written.
    buffer: Option<Tensor<2>>,
    used: usize,
}

impl Rows {
    fn new(rows: Tensor<2>) -> Self {
        Self { used: rows.dims()[0], buffer: Some(rows) }
    }

    /// Appends `rows` and returns all rows.
    fn append(&mut self, rows: Tensor<2>) -> Tensor<2> {
        let ([count, width], used) = (rows.dims(), self.used);
        self.used += count;
        // Taken, because a tensor with a second owner would be copied when it is written to.
        let buffer = match self.buffer.take() {
            Some(buffer) if self.used <= buffer.dims()[0] => buffer.slice_assign([used..self.used, 0..width], rows),
            Some(buffer) => {
                let room = Tensor::zeros([ROOM, width], &rows.device());
                Tensor::cat(vec![buffer.narrow(0, 0, used), rows, room], 0)
            }
            None => rows,
        };
        self.buffer = Some(buffer.clone());
        buffer.narrow(0, 0, self.used)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use stepwise_ops::values_of;

    use super::*;

    #[test]
    fn rows_are_kept_beyond_the_room_that_is_added_at_once() {
        let row = |value: usize| Tensor::<2>::full([1, 2], value as f32, &Device::flex());
        let mut kept = Kept::default();
        let prompt = Tensor::cat(vec![row(0), row(1), row(2)], 0);
        let [keys, _] = kept.append(0, prompt.clone(), prompt.clone());
        assert_eq!(values_of(keys), values_of(prompt));
        for token in 3..3 + 2 * ROOM + 2 {
            let [keys, values] = kept.append(0, row(token), row(2 * token));
            let expected: Vec<f32> = (0..=token).flat_map(|value| [value as f32; 2]).collect();
            assert_eq!(values_of(keys), expected, "token {token}");
            let doubled = expected.iter().enumerate().map(|(at, value)| if at < 6 { *value } else { 2.0 * value });
            assert_eq!(values_of(values), doubled.collect::<Vec<_>>(), "token {token}");
        }
    }
}
