//! Names of modules, and of tensors in released checkpoints and in adapters, for families whose image encoder is called `vision_tower`.

use super::facts::TensorNames;

/// Beginning of the names of the image encoder's modules.
pub(super) const ENCODER: &[&str] = &["model.vision_tower."];
/// Beginning of the names of the connector's modules.
pub(super) const CONNECTOR: &[&str] = &["model.multi_modal_projector."];

/// Names of these families.
pub(super) const NAMES: TensorNames = TensorNames { current, split_off: |_| None, in_adapters, kept_on_export: true };

/// Names of families whose encoder was never called `vision_model` inside `vision_tower`.
pub(super) const WITHOUT_VISION_MODEL: TensorNames = TensorNames { in_adapters: str::to_owned, ..NAMES };

/// Returns the module name of a stored tensor; a module name is returned unchanged.
fn current(name: &str) -> String {
    let rest = name.strip_prefix("model.").unwrap_or(name);
    let tower = ["vision_tower.vision_model.", "vision_tower."];
    if let Some(rest) = name.strip_prefix("language_model.model.") {
        return format!("model.language_model.{rest}");
    }
    if let Some(rest) = name.strip_prefix("language_model.lm_head.") {
        return format!("lm_head.{rest}");
    }
    if let Some(rest) = tower.iter().find_map(|tower| rest.strip_prefix(tower)) {
        return format!("model.vision_tower.{rest}");
    }
    match rest.starts_with("multi_modal_projector.") || rest == "image_newline" {
        true => format!("model.{rest}"),
        false => name.to_owned(),
    }
}

/// Returns the name of a parameter in a PEFT file. Newer and older versions of transformers load names of the tower with
/// `vision_model`; only newer ones load names without.
fn in_adapters(name: &str) -> String {
    match name.strip_prefix("model.vision_tower.") {
        Some(rest) => format!("model.vision_tower.vision_model.{rest}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{current, in_adapters};

    #[test]
    fn released_names_become_module_names() {
        for (stored, module) in [
            ("language_model.model.layers.0.mlp.up_proj.weight", "model.language_model.layers.0.mlp.up_proj.weight"),
            ("language_model.lm_head.weight", "lm_head.weight"),
            ("lm_head.weight", "lm_head.weight"),
            ("vision_tower.vision_model.pre_layrnorm.bias", "model.vision_tower.pre_layrnorm.bias"),
            ("model.vision_tower.vision_model.pre_layrnorm.bias", "model.vision_tower.pre_layrnorm.bias"),
            ("model.vision_tower.pre_layrnorm.bias", "model.vision_tower.pre_layrnorm.bias"),
            ("multi_modal_projector.linear_1.bias", "model.multi_modal_projector.linear_1.bias"),
            (
                "multi_modal_projector.mm_input_projection_weight",
                "model.multi_modal_projector.mm_input_projection_weight",
            ),
            ("model.language_model.norm.weight", "model.language_model.norm.weight"),
            ("image_newline", "model.image_newline"),
            ("model.image_newline", "model.image_newline"),
            ("vision_tower.encoder.layer.0.lambda_1", "model.vision_tower.encoder.layer.0.lambda_1"),
        ] {
            assert_eq!(current(stored), module);
            assert_eq!(current(&in_adapters(module)), module);
        }
    }
}
