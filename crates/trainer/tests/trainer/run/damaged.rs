//! Checkpoints whose tensors are damaged, and checkpoints of runs with another image splitting than their base.

use stepwise_trainer::checkpoint::source::ModelSource;
use stepwise_trainer::learner::Learner;
use stepwise_vlm::images::processor::ImageOptions;

use super::*;

const OPTIMIZER: &str = "optimizer.safetensors";

/// Changes the header entry and the bytes of a tensor of a safetensors file.
fn edit(file: &Path, name: &str, change: impl FnOnce(&mut Value, &mut [u8])) {
    let mut bytes = std::fs::read(file).expect("a file");
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).expect("JSON");
    let offset = |end: usize| header[name]["data_offsets"][end].as_u64().expect(name) as usize + 8 + length;
    let range = offset(0)..offset(1);
    change(&mut header[name], &mut bytes[range]);
    let header = header.to_string();
    bytes.splice(..8 + length, (header.len() as u64).to_le_bytes().into_iter().chain(header.bytes()));
    std::fs::write(file, bytes).expect("written");
}

/// A finished run of a few steps, and a function that restores its last checkpoint.
fn short_run(tuning: &str) -> (Workplace, PathBuf, impl Fn() -> String) {
    let place = Workplace::new();
    let curriculum = "[[curriculum.phase]]\nstages = [1]\nmax_steps = 2\n";
    let text = place.recipe_of("run", tuning, "", curriculum, "none");
    let (finished, _) = run(&text, Stop::Never, false);
    let checkpoint = place.path("run").join(checkpoint::name(finished.global_step));
    let folder = checkpoint.clone();
    let refused = move || {
        let mut learner = Learner::new(&recipe(text.as_str()), &Device::flex(), &mut ()).expect("a learner");
        let restored = learner.restore(&folder, std::collections::BTreeMap::new());
        restored.map_or_else(|error| error.to_string(), |()| "restored".to_owned())
    };
    (place, checkpoint, refused)
}

#[test]
fn a_checkpoint_of_full_fine_tuning_is_restored_in_the_shapes_of_the_model_only() {
    let (_place, checkpoint, restored) = short_run("finetuning_type = \"full\"");
    assert_eq!(restored(), "restored");
    let file = checkpoint.join("model.safetensors");
    let kept = std::fs::read(&file).expect("a file");
    // As many values in another shape; a second fault, which comes later in the model, does not hide the first one.
    let first = "model.vision_model.encoder.layers.0.mlp.fc1.weight";
    edit(&file, "model.text_model.layers.1.mlp.down_proj.weight", |entry, _| entry["shape"] = [64, 32].into());
    edit(&file, first, |entry, _| entry["shape"] = [32, 64].into());
    let said = restored();
    let place = checkpoint.display();
    assert!(
        said.starts_with(&format!("{place}: tensor {first} has shape [32, 64], the config requires [64, 32]")),
        "{said}"
    );
    std::fs::write(&file, kept).expect("written");
    edit(&file, first, |_, bytes| bytes[4..8].copy_from_slice(&f32::NAN.to_le_bytes()));
    let said = restored();
    assert!(
        said.contains(&format!("tensor {first} has 1 values that are not finite")) && said.contains(" -> "),
        "{said}"
    );
}

#[test]
fn moments_of_the_optimiser_must_be_finite_and_fit_the_parameters() {
    let (_place, checkpoint, restored) = short_run("[lora]\nr = 2");
    assert_eq!(restored(), "restored");
    let file = checkpoint.join(OPTIMIZER);
    let kept = std::fs::read(&file).expect("a file");
    let name = "exp_avg_sq.model.text_model.layers.0.mlp.up_proj.lora_A.weight";
    for value in [f32::NAN, f32::INFINITY] {
        edit(&file, name, |_, bytes| bytes[..4].copy_from_slice(&value.to_le_bytes()));
        let said = restored();
        let expected =
            format!("{}: tensor {name} has 1 values that are not finite, the first is {value}", file.display());
        assert!(said.starts_with(&expected) && said.contains(" -> "), "{said}");
    }
    std::fs::write(&file, &kept).expect("written");
    edit(&file, name, |entry, _| entry["shape"] = [2, 32].into());
    let said = restored();
    assert!(said.contains(&format!("tensor {name} has shape [2, 32], the config requires [64]")), "{said}");
    // A moment of another run: same length of the name, so that the header keeps its size.
    let stray = name.replace("layers.0", "layers.7");
    let place = kept.windows(name.len()).position(|bytes| bytes == name.as_bytes()).expect("there");
    let mut bytes = kept;
    bytes[place..place + name.len()].copy_from_slice(stray.as_bytes());
    std::fs::write(&file, bytes).expect("written");
    let said = restored();
    assert!(said.contains(&format!("tensor {stray} belongs to no parameter that the recipe trains -> ")), "{said}");
}

/// The base does not split images. A run that does is loaded as it was trained, from its folder and from a copy of its
/// checkpoint elsewhere.
#[test]
fn image_splitting_is_taken_from_the_run() {
    for tuning in ["[lora]\nr = 2", "finetuning_type = \"full\""] {
        let (place, checkpoint, _) = short_run(&format!("do_image_splitting = true\n{tuning}"));
        let elsewhere = place.path("elsewhere");
        std::fs::create_dir(&elsewhere).expect("made");
        for (name, bytes) in contents(&checkpoint) {
            std::fs::write(elsewhere.join(name), bytes).expect("written");
        }
        for path in [&place.path("run"), &checkpoint, &elsewhere] {
            let source = ModelSource::find(path, None).expect("a model source");
            let splits = |stated| {
                let stated = ImageOptions { do_image_splitting: stated, ..ImageOptions::default() };
                let loaded = source.load(&Device::flex(), stated);
                loaded.map(|pipeline| pipeline.processor.image_splitting()).map_err(|error| error.to_string())
            };
            assert_eq!(splits(None), Ok(Some(true)), "{tuning}: {}", path.display());
            let said = splits(Some(false)).expect_err("trained otherwise");
            assert!(said.contains("trained with `do_image_splitting = true`, and is loaded with false -> "), "{said}");
        }
    }
}
