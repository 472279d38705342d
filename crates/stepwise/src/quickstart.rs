//! Recipe and model of the quickstart, compiled into the program, so that the program alone is enough to run it.

use std::io;
use std::path::{Path, PathBuf};

use stepwise_data::io::atomic::write_atomic;

/// Recipe of the quickstart: path in the folder, and content.
pub const RECIPE: &str = "recipes/quickstart.toml";

/// Files of the quickstart: path in the folder, and content.
const FILES: &[(&str, &[u8])] = &[
    (RECIPE, include_bytes!("../../../recipes/quickstart.toml")),
    ("checkpoints/tiny-base/README.md", include_bytes!("../../../checkpoints/tiny-base/README.md")),
    ("checkpoints/tiny-base/chat_template.json", include_bytes!("../../../checkpoints/tiny-base/chat_template.json")),
    ("checkpoints/tiny-base/config.json", include_bytes!("../../../checkpoints/tiny-base/config.json")),
    (
        "checkpoints/tiny-base/generation_config.json",
        include_bytes!("../../../checkpoints/tiny-base/generation_config.json"),
    ),
    ("checkpoints/tiny-base/model.safetensors", include_bytes!("../../../checkpoints/tiny-base/model.safetensors")),
    (
        "checkpoints/tiny-base/preprocessor_config.json",
        include_bytes!("../../../checkpoints/tiny-base/preprocessor_config.json"),
    ),
    (
        "checkpoints/tiny-base/processor_config.json",
        include_bytes!("../../../checkpoints/tiny-base/processor_config.json"),
    ),
    ("checkpoints/tiny-base/tokenizer.json", include_bytes!("../../../checkpoints/tiny-base/tokenizer.json")),
    (
        "checkpoints/tiny-base/tokenizer_config.json",
        include_bytes!("../../../checkpoints/tiny-base/tokenizer_config.json"),
    ),
    ("checkpoints/tiny-base/trained_images.txt", include_bytes!("../../../checkpoints/tiny-base/trained_images.txt")),
];

/// Returns the first file of the quickstart that already exists below `folder`; None where all can be written.
pub fn occupied(folder: &Path) -> Option<PathBuf> {
    FILES.iter().map(|(path, _)| folder.join(path)).find(|path| path.exists())
}

/// Writes all files of the quickstart below `folder`, which is created with its parents. Existing files are replaced;
/// [`occupied`] finds them before.
///
/// # Errors
/// When a folder cannot be created, or a file cannot be written. The files written before the error stay.
pub fn write(folder: &Path) -> io::Result<()> {
    for (path, content) in FILES {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        write_atomic(&path, content)?;
    }
    Ok(())
}
