//! Names that tensors carry in folders of other ages, as the names of today.
//!
//! Two other forms exist: a model saved without its head class lacks the leading `model.`, and before the conversion to
//! transformers the decoder stood directly under `model` with the projection beside it, its embedding and head possibly
//! split in two.

/// The name of today for a tensor called `name`; a name of today stays as it is.
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

/// The tensor, by its name of today, whose rows may have been split off the end of tensor `name` before the conversion.
pub(super) fn split_off(name: &str) -> Option<&'static str> {
    match name {
        "model.text_model.embed_tokens.weight" => Some("model.text_model.embed_tokens.additional_embedding.weight"),
        "lm_head.weight" => Some("additional_fc.weight"),
        _ => None,
    }
}
