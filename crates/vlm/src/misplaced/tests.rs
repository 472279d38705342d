use super::*;

/// A folder with empty files of these names.
fn with(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for name in names {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("made");
        fs::write(path, "").expect("written");
    }
    folder
}

#[track_caller]
fn says(path: &Path, wanted: Wanted, expected: &[&str]) {
    let found = misplaced(path, wanted).to_string();
    assert!(found.starts_with(&path.display().to_string()) && found.contains(" -> "), "{found}");
    for expected in expected {
        assert!(found.contains(expected), "{expected:?} is not in: {found}");
    }
}

#[test]
fn a_hub_id_is_not_downloaded_and_the_command_that_does_is_given() {
    for id in ["HuggingFaceTB/SmolVLM-256M-Instruct", "llava-hf/llava-1.5-7b-hf", "a/b.c_d-1"] {
        for wanted in [Wanted::Model, Wanted::Adapter, Wanted::Source] {
            says(Path::new(id), wanted, &["nothing is downloaded", &format!("`hf download {id} --local-dir DIR`")]);
        }
    }
    let folder = with(&["models/other/config.json"]);
    let absent = folder.path().join("models/SmolVLM");
    for path in [absent.as_path(), Path::new("./a/b"), Path::new("../a/b"), Path::new("a/b/c"), Path::new("~/model")] {
        says(path, Wanted::Model, &["no such folder", "nothing is downloaded", "config.json, tokenizer.json"]);
        assert!(!misplaced(path, Wanted::Model).advice.contains("hf download"), "{}", path.display());
    }
    says(Path::new("src/absent"), Wanted::Model, &["correct the path"]);
    says(Path::new("https://huggingface.co/a/b"), Wanted::Model, &["web address", "nothing is downloaded"]);
}

#[test]
fn files_are_told_apart_by_their_kind() {
    let names = ["w.gguf", "model.safetensors", "adapter_model.bin", "w.pt", "w.onnx", "model.zip", "config.json"];
    let folder = with(&names);
    let holder = folder.path().display().to_string();
    let says = |name: &str, wanted, expected: &[&str]| says(&folder.path().join(name), wanted, expected);
    says("w.gguf", Wanted::Model, &["GGUF files are not read", "name the original folder"]);
    says("absent.gguf", Wanted::Source, &["GGUF files are not read"]);
    says("model.safetensors", Wanted::Model, &["file of weights", "name the folder that holds it", &holder]);
    says("adapter_model.bin", Wanted::Adapter, &["can run code", "save_file(torch.load(", "adapter_model.safetensors"]);
    says("w.pt", Wanted::Model, &["can run code", "from_pretrained", "save_pretrained"]);
    says("w.onnx", Wanted::Model, &["not read"]);
    says("model.zip", Wanted::Model, &["unpack it"]);
    says("config.json", Wanted::Model, &["a folder is expected", &holder]);
    fs::write(folder.path().join("unnamed"), b"GGUF\x03\0\0\0").expect("written");
    says("unnamed", Wanted::Source, &["GGUF files are not read"]);
}

#[test]
fn folders_are_told_apart_by_what_they_hold() {
    let says_of = |names: &[&str], wanted, expected: &[&str]| {
        let folder = with(names);
        says(folder.path(), wanted, expected);
    };
    says_of(&[], Wanted::Model, &["no config.json found", "model.safetensors"]);
    says_of(&[], Wanted::Adapter, &["no adapter_config.json found", "PEFT"]);
    says_of(&[], Wanted::Source, &["neither a run, a checkpoint, a PEFT folder nor a model folder"]);
    says_of(&["m-Q4_K.gguf"], Wanted::Model, &["m-Q4_K.gguf", "not read", "original folder"]);
    says_of(&["pytorch_model.bin"], Wanted::Model, &["pytorch_model.bin", "convert to safetensors"]);
    says_of(&["training_args.bin"], Wanted::Model, &["no config.json found"]);
    says_of(&["adapter_config.json"], Wanted::Model, &["PEFT adapter", "`--adapter`"]);
    says_of(&["config.json"], Wanted::Adapter, &["whole model", "`model_name_or_path`"]);
    says_of(&["recipe.resolved.toml"], Wanted::Adapter, &["folder of a run", "best"]);
    says_of(&["snapshots/1a2b/config.json"], Wanted::Source, &["name ", "snapshots/1a2b"]);
    says_of(&["inner/config.json"], Wanted::Model, &["in a folder inside", "inner"]);
}
