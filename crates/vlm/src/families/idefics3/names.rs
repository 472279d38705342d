//! Translation of older tensor names to the current names of transformers.
//!
//! There are two older forms. A model saved without its head class has names without the leading `model.`. In original
//! checkpoints, before conversion to transformers, decoder and projection are directly under `model`, and embedding and
//! head can be split into two tensors.

/// Returns the current name of the tensor `name`; a current name is returned unchanged.
pub(super) fn current(name: &str) -> String {
    let after_model = name.strip_prefix("model.");
    let starts = |rest: &str, parts: &[&str]| parts.iter().any(|part| rest.starts_with(part));
    match after_model {
        Some(rest) if starts(rest, &["layers.", "norm.", "embed_tokens."]) => format!("model.text_model.{rest}"),
        Some(rest) if rest.starts_with("modality_projection.") => format!("model.connector.{rest}"),
        None if starts(name, &["text_model.", "vision_model.", "connector."]) => format!("model.{name}"),
        _ => name.to_owned(),
    }
}

/// Returns the name of the tensor that can hold the last rows of tensor `name` in original checkpoints; None if `name`
/// is never split.
pub(super) fn split_off(name: &str) -> Option<&'static str> {
    match name {
        "model.text_model.embed_tokens.weight" => Some("model.text_model.embed_tokens.additional_embedding.weight"),
        "lm_head.weight" => Some("additional_fc.weight"),
        _ => None,
    }
}
