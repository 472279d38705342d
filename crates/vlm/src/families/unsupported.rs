//! Error of a model that belongs to no family.

use serde_json::Value;

use super::facts::FamilyFacts;
use crate::model_config::ConfigError;

/// Types of models in the original format of LLaVA.
const ORIGINAL_LLAVA: [&str; 4] = ["llava_llama", "llava_mistral", "llava_qwen", "llava_qwen2"];

/// Returns the error of a `config.json` whose `model_type` belongs to none of `families`, whose models are called `names`. The
/// class in `architectures` makes it easier to read.
pub(super) fn unsupported(
    config: &Value,
    families: impl Iterator<Item = &'static FamilyFacts>,
    names: &str,
) -> ConfigError {
    let stated = config.get("model_type").map_or_else(|| "missing".to_owned(), Value::to_string);
    let class = config.get("architectures").and_then(|classes| classes.get(0)).and_then(Value::as_str);
    let found = class.map_or_else(|| stated.clone(), |class| format!("{stated} ({class})"));
    let types: Vec<String> = families.flat_map(|family| family.model_types).map(|kind| format!("\"{kind}\"")).collect();
    let reason = reason(config).map_or_else(String::new, |reason| format!("{reason}; "));
    let expected = format!("{reason}the types {} are supported: {names}", types.join(", "));
    ConfigError::Unsupported { field: "model_type".to_owned(), found, expected }
}

/// Why models of a well-known kind are not read; None for other models.
fn reason(config: &Value) -> Option<&'static str> {
    let kind = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
    if ORIGINAL_LLAVA.contains(&kind) {
        Some("the original format of LLaVA must be converted to the form of transformers")
    } else if kind.contains("moe") {
        Some("mixtures of experts are not supported")
    } else if kind.contains("video") {
        Some("models for videos are not supported")
    } else if config.get("auto_map").is_some_and(Value::is_object) {
        Some(
            "models with code of their own are not supported, and a folder in the form of transformers (its name often ends \
             in -hf) is needed",
        )
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{all, names};
    use super::unsupported;

    #[test]
    fn well_known_kinds_are_refused_with_a_reason() {
        for (config, expected) in [
            (json!({ "model_type": "qwen3_vl_moe" }), "mixtures of experts are not supported"),
            (json!({ "model_type": "llava_next_video" }), "models for videos are not supported"),
            (
                json!({ "model_type": "internvl_chat", "auto_map": { "AutoConfig": "x.Y" } }),
                "models with code of their own",
            ),
            (json!({ "model_type": "llava_mistral" }), "the original format of LLaVA must be converted"),
            (json!({ "model_type": "phi3" }), "the types \"idefics3\""),
            (json!({}), "the types \"idefics3\""),
        ] {
            let error = unsupported(&config, all(), &names()).to_string();
            let (_, problem) = error.split_once(": ").expect("a problem");
            assert!(problem.starts_with(expected), "{error}");
        }
    }
}
