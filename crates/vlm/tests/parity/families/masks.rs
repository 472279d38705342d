//! Attention masks of the decoder, measured: a row sees a column if its output changes with the column's input.

use burn::tensor::Tensor;
use stepwise_testing::model::parameters::{read, replace, tensor};
use stepwise_vlm::model::Vlm;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::packed_sequences::PackedSequences;

use super::fixture::Fixture;

/// Returns which rows see which columns in the first decoder layer of a kind of `layer_types`, row by row: 1 where the
/// output of the row depends on the input of the column, else 0.
pub fn visible(
    fixture: &Fixture,
    model: &Vlm,
    layout: &PackedSequences,
    features: Option<&Tensor<2>>,
    kind: &str,
) -> Vec<f32> {
    let kinds = fixture.meta["layer_types"].as_array().expect("kinds of layers");
    let layer = kinds.iter().position(|one| one == kind).expect("a layer of the kind");
    let mut model = model.clone();
    // Without attention in earlier layers, a row of the layer's input depends on its own token only.
    let is_earlier =
        |name: &str| (0..layer).any(|layer| name.ends_with(&format!("layers.{layer}.self_attn.o_proj.weight")));
    replace(&mut model, |name, values| is_earlier(name).then(|| vec![0.0; values.len()]));

    let count = layout.rows();
    let output = |layout: &PackedSequences, features: Option<Tensor<2>>| {
        read(model.hidden_states(layout, features, &Pass::ANSWER).swap_remove(layer + 1))
    };
    let plain = output(layout, features.cloned());
    let width = plain.len() / count;
    let mut seen = vec![0.0; count * count];
    for column in 0..count {
        let (mut layout, mut features) = (layout.clone(), features.cloned());
        match (layout.features[column], &mut features) {
            (Some(feature), Some(features)) => {
                let mut values = read(features.clone());
                values[feature * width..][..width].iter_mut().for_each(|value| *value = 0.5 - *value);
                *features = tensor(values, features.dims());
            }
            _ => layout.ids[column] = u32::from(layout.ids[column] == 0),
        }
        let changed = output(&layout, features);
        for row in (0..count).filter(|row| changed[row * width..][..width] != plain[row * width..][..width]) {
            seen[row * count + column] = 1.0;
        }
    }
    seen
}
