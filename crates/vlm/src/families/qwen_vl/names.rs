//! Names of Qwen-VL tensors in released checkpoints: the decoder stands at `model`, the image encoder at `visual`.

/// Returns the module name of a stored tensor; a module name is returned unchanged.
pub(super) fn current(name: &str) -> String {
    let decoder = ["layers.", "embed_tokens.", "norm."];
    match name.strip_prefix("model.") {
        Some(rest) if decoder.iter().any(|part| rest.starts_with(part)) => format!("model.language_model.{rest}"),
        None if name.starts_with("visual.") || name.starts_with("language_model.") => format!("model.{name}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::current;

    #[test]
    fn released_names_become_module_names() {
        for (stored, module) in [
            ("model.layers.3.self_attn.q_proj.bias", "model.language_model.layers.3.self_attn.q_proj.bias"),
            ("model.embed_tokens.weight", "model.language_model.embed_tokens.weight"),
            ("model.norm.weight", "model.language_model.norm.weight"),
            ("visual.blocks.0.norm1.weight", "model.visual.blocks.0.norm1.weight"),
            ("model.visual.merger.ln_q.weight", "model.visual.merger.ln_q.weight"),
            ("model.language_model.norm.weight", "model.language_model.norm.weight"),
            ("lm_head.weight", "lm_head.weight"),
        ] {
            assert_eq!(current(stored), module);
        }
    }
}
