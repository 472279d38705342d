//! Batch sizes of files whose tool packs several conversations into a row.

use super::*;

/// A file of each tool, with the line that makes it pack.
const PACKED: &[(Tool, &str, &str)] = &[
    (Tool::Axolotl, "base_model: m\nadapter: lora\nmicro_batch_size: 2\n", "sample_packing: true"),
    (Tool::LlamaFactory, "model_name_or_path: m\nper_device_train_batch_size: 2\n", "packing: true"),
    (Tool::LlamaFactory, "model_name_or_path: m\nper_device_train_batch_size: 2\n", "neat_packing: true"),
    (Tool::LlamaFactoryV1, "model: m\nmicro_batch_size: 2\n", "batching_strategy: dynamic_batching"),
    (Tool::MsSwift, "model: m\nper_device_train_batch_size: 2\n", "packing: true"),
    (Tool::MegatronSwift, "model: m\nmicro_batch_size: 2\n", "packing: true"),
    (Tool::Trl, "model_name_or_path: m\nuse_peft: true\nper_device_train_batch_size: 2\n", "packing: 'yes'"),
];

/// Notes, comments and reasons of a translated file, without the defaults of other keys.
fn said(tool: Tool, text: &str, data: Option<(&str, Questions)>) -> String {
    let request = Request { from: Some(tool), data, ..Request::default() };
    let Converted { recipe, keys, notes, .. } = convert(Path::new("x.yaml"), text, &request).expect("a recipe");
    let sizes = recipe.lines().filter(|line| line.starts_with("per_device") || line.starts_with("gradient_acc"));
    format!("{}\n{keys:?}\n{}", notes.join("\n"), sizes.collect::<Vec<_>>().join("\n"))
}

#[test]
fn a_packed_row_is_not_called_a_conversation() {
    for (tool, text, packs) in PACKED {
        for data in [None, Some(("d", Questions { cases: 100, questions: 400 }))] {
            let packed = said(*tool, &format!("{text}{packs}\n"), data);
            assert!(packed.contains("packed row") && packed.contains("as many conversations as fit"), "{packed}");
            assert!(!packed.contains(" conversations there") && !packed.contains("loss is the same"), "{packed}");
            let counted = (1..100).any(|count| packed.contains(&format!("step there: {count} conversation")));
            assert!(!counted && !packed.contains("with a question in each"), "{packed}");
            assert!(packed.contains("multiply `gradient_accumulation_steps` by N"), "{packed}");
            assert!(!said(*tool, text, data).contains("packed"), "{text}");
        }
    }
}

#[test]
fn packing_that_is_off_and_batches_without_padding_hold_conversations() {
    for (tool, text) in [
        (Tool::Axolotl, "base_model: m\nsample_packing: false\n"),
        (Tool::Axolotl, "base_model: m\nbatch_flattening: true\n"),
        (Tool::MsSwift, "model: m\npadding_free: true\n"),
        (Tool::Trl, "model_name_or_path: m\npadding_free: true\npacking: false\n"),
        (Tool::LlamaFactoryV1, "model: m\nbatching_strategy: padding_free\n"),
    ] {
        let said = said(tool, text, None);
        assert!(said.contains("conversations in a step") && !said.contains("Left("), "{said}");
    }
}
