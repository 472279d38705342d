//! Deepstack (Meng et al. 2024, arXiv 2406.04334): sets of image features that are added to the hidden states of image
//! rows between decoder layers.

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};
use stepwise_ops::row_of;

/// Sets of image features with the rows that they are added to. Set `k`, counted from 0, is added after layer `k`.
pub(crate) struct Deepstack {
    /// Features, `[features, hidden * (1 + sets)]`. The first `hidden` columns are part of the decoder's input.
    features: Tensor<2>,
    hidden: usize,
    /// Image rows that all layers but the last return; None if there are none.
    rows: Option<ImageRows>,
    /// Image rows that the last layer returns; None if there are none.
    last_rows: Option<ImageRows>,
}

/// Input of the first decoder layer, and what is added between layers.
pub(crate) struct DecoderInput {
    /// Hidden states, `[rows, hidden]`.
    pub x: Tensor<2>,
    /// Features that are added; None if the family has none, or there is no image.
    pub deepstack: Option<Deepstack>,
}

/// Rows of a matrix of hidden states, and for each of them the row of its feature.
struct ImageRows {
    rows: Tensor<1, Int>,
    features: Tensor<1, Int>,
}

impl ImageRows {
    /// Finds the image rows among rows with these `features`, None for text. Returns None if there are no image rows.
    fn new(features: impl Iterator<Item = Option<usize>>, device: &Device) -> Option<Self> {
        let found = features.enumerate().filter_map(|(row, feature)| Some((row as i64, feature? as i64)));
        let (rows, features): (Vec<i64>, Vec<i64>) = found.unzip();
        (!rows.is_empty()).then(|| Self { rows: row_of(rows, device), features: row_of(features, device) })
    }
}

impl Deepstack {
    /// Takes the sets from `features`, `[features, hidden * (1 + sets)]`; None if there is no further set. `places` are
    /// the features of all rows, None for text. `last` are the rows that the last layer returns; None means all.
    pub fn new(
        features: Option<&Tensor<2>>,
        hidden: usize,
        places: &[Option<usize>],
        last: Option<&[i64]>,
    ) -> Option<Self> {
        let features = features.filter(|features| features.dims()[1] > hidden)?.clone();
        let device = features.device();
        let all = || places.iter().copied();
        let last_rows = match last {
            Some(rows) => ImageRows::new(rows.iter().map(|row| places[*row as usize]), &device),
            None => ImageRows::new(all(), &device),
        };
        Some(Self { features, hidden, rows: ImageRows::new(all(), &device), last_rows })
    }

    /// Returns `x`, the output of layer `layer`, with the features that follow this layer. `last` says whether the layer
    /// is the last one.
    pub fn add(&self, x: Tensor<2>, layer: usize, last: bool) -> Tensor<2> {
        let start = (layer + 1) * self.hidden;
        let at = if last { &self.last_rows } else { &self.rows };
        let Some(at) = at.as_ref().filter(|_| start < self.features.dims()[1]) else { return x };
        let set = self.features.clone().narrow(1, start, self.hidden).select(0, at.features.clone());
        x.select_assign(0, at.rows.clone(), set, IndexingUpdateOp::Add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(x: Tensor<2>) -> Vec<f32> {
        x.into_data().try_to_vec().expect("f32")
    }

    #[test]
    fn a_set_follows_each_of_the_first_layers() {
        let device = Device::flex();
        let features = Tensor::<2>::from_data([[1.0, 10.0, 100.0], [2.0, 20.0, 200.0]], &device);
        let places = [None, Some(1), Some(0), Some(1)];
        let deepstack = Deepstack::new(Some(&features), 1, &places, Some(&[3, 0])).expect("two sets");
        let zeros = |rows: usize| Tensor::<2>::zeros([rows, 1], &device);
        assert_eq!(values(deepstack.add(zeros(4), 0, false)), [0.0, 20.0, 10.0, 20.0]);
        assert_eq!(values(deepstack.add(zeros(2), 1, true)), [200.0, 0.0]);
        assert_eq!(values(deepstack.add(zeros(4), 2, false)), [0.0; 4]);
        let text = Deepstack::new(Some(&features), 1, &places, Some(&[0])).expect("two sets");
        assert_eq!(values(text.add(zeros(1), 1, true)), [0.0]);
        assert!(Deepstack::new(Some(&features), 3, &places, None).is_none());
    }
}
