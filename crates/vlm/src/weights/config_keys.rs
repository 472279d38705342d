//! Keys of `config.json` that decide which tensors a model has.

use super::stored::layer_of;
use crate::families::ModelConfig;
use crate::model::ModelPart;

/// Keys by part of the model and by words in the name of a tensor.
const KEYS: [(ModelPart, &str, &str); 12] = [
    (ModelPart::Vision, ".q_norm.", "`vision_config.use_qk_norm`"),
    (ModelPart::Vision, ".k_norm.", "`vision_config.use_qk_norm`"),
    (ModelPart::Vision, ".position_embeddings", "`vision_config.use_absolute_position_embeddings`"),
    (ModelPart::Vision, ".layernorm.", "`vision_config.use_mean_pooling`"),
    (ModelPart::Vision, ".mask_token", "`vision_config.use_mask_token`"),
    (ModelPart::Vision, ".attention.", "`vision_config.attention_bias`"),
    (ModelPart::Vision, "", "`vision_config.model_type`, or `model_type`"),
    (ModelPart::Connector, ".deepstack_merger_list.", "`vision_config.deepstack_visual_indexes`"),
    (ModelPart::Connector, ".image_newline", "`model_type`"),
    (ModelPart::Connector, ".bias", "`multimodal_projector_bias`, or `model_type`"),
    (ModelPart::Connector, "", "`model_type`"),
    (ModelPart::Decoder, "", "`text_config.model_type`, or `model_type`"),
];

/// Returns in words which key of `config.json` must be wrong, because the stored tensor `name` is not described.
pub(super) fn of_unread(name: &str, config: &ModelConfig) -> String {
    let part = ModelPart::of(name);
    let [vision, decoder] = [config.vision.num_hidden_layers, config.text.num_hidden_layers];
    let counted = match part {
        ModelPart::Vision if name.starts_with("model.visual.") => Some((vision, "`vision_config.depth`")),
        ModelPart::Vision => Some((vision, "`vision_config.num_hidden_layers`")),
        ModelPart::Decoder => Some((decoder, "`num_hidden_layers` of the decoder")),
        ModelPart::Connector => None,
    };
    match counted.zip(layer_of(name)) {
        Some(((count, key), (_, layer, _))) if layer >= count => format!("{key} is {count}"),
        _ => {
            let key = KEYS.iter().find(|(of, words, _)| *of == part && name.contains(words));
            key.map_or_else(String::new, |(_, _, key)| (*key).to_owned())
        }
    }
}
