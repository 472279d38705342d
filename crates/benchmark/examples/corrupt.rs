//! Writes every corruption at every level of the pictures in a folder, for readers that are not written in Rust:
//!
//!     cargo run --release -p stepwise-benchmark --example corrupt -- IN OUT
//!
//! `IN/NAME.png` becomes `OUT/NAME.KIND.LEVEL.png`, with the draws of the built-in suites. All kinds that come in levels and
//! occur in magnetic resonance are written. tests/parity/yardstick.py is the caller.

use std::error::Error;
use std::fs;
use std::path::Path;

use image::RgbImage;
use serde_json::json;
use stepwise_benchmark::perturb::{self, Pool, Scene, ShownImages};
use stepwise_benchmark::suite::Suite;
use stepwise_data::case::Case;

/// Of corruptions.
const LEVELS: i64 = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, target] = arguments.as_slice() else {
        return Err("name the folder of the pictures and the one to write".into());
    };
    fs::create_dir_all(target)?;
    for entry in fs::read_dir(source)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        corrupt(&name, &image::open(&path)?.to_rgb8(), Path::new(target))?;
    }
    Ok(())
}

fn corrupt(name: &str, picture: &RgbImage, target: &Path) -> Result<(), Box<dyn Error>> {
    let case = json!({
        "schema": "case/1", "case_id": name, "group_id": name, "split": "test", "modality": "mri",
        "source": {"dataset": "elsewhere", "licence": ""},
        "images": [{"id": "i", "path": "", "sha256": "", "width": picture.width(), "height": picture.height()}],
        "chain": [{"id": "q", "stage": 4, "category": "25", "question": "What is it?",
                   "answer": {"type": "text", "gold": ["?"]}}]
    });
    let cases: Vec<Case> = vec![serde_json::from_value(case)?];
    let pool = Pool::new(&cases);
    let scene = Scene { case: &cases[0], item: &cases[0].chain[0], pool: &pool, rng: Suite::full().rng() };
    for kind in perturb::kinds::KINDS {
        for level in 1..=LEVELS {
            let parameters = [("level".to_owned(), level.into())].into_iter().collect();
            // Kinds without levels refuse the key, and artefacts of other modalities skip the case.
            let Ok(perturbation) = (kind.build)(parameters) else { continue };
            let Ok(perturbed) = perturbation.perturb(&scene) else { continue };
            let ShownImages::Edited(edit) = perturbed.pictures else { continue };
            let mut corrupted = picture.clone();
            edit.apply(0, &mut corrupted);
            corrupted.save(target.join(format!("{name}.{}.{level}.png", kind.name)))?;
        }
    }
    Ok(())
}
