//! Measures the search of near-duplicates: how many copies of each kind it finds, pairs that it finds among the images
//! themselves, and its time.
//!
//!     cargo run --release -p stepwise-data --example near_copies -- recall NAME FOLDER EVERY
//!     cargo run --release -p stepwise-data --example near_copies -- scale COUNT
//!
//! `recall` plants the changed copies of every EVERY-th image of FOLDER (`synthetic-SIDE` stands for 200 generated images of SIDE pixels) and
//! prints lines of a CSV: change, copies, found. `scale` compares COUNT fingerprints of one view with COUNT mixed ones.
#![allow(clippy::print_stdout)]

mod changes;
mod scale;

use std::path::{Path, PathBuf};

use image::RgbImage;
use stepwise_data::image::load_image;
use stepwise_data::near_duplicates::{Fingerprint, near_duplicates};
use stepwise_data::parallel;
use stepwise_data::synth::{self, SynthOptions};

use changes::CHANGES;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["recall", name, folder, every] => recall(name, folder, every.parse().expect("a number")),
        ["scale", count] => scale::run(count.parse().expect("a number")),
        _ => println!("recall NAME FOLDER EVERY, or scale COUNT"),
    }
}

/// Paths of the images below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    for path in entries {
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_dir() => found.extend(files(&path)),
            Some("png" | "jpg" | "jpeg") => found.push(path),
            _ => {}
        }
    }
    found.sort();
    found
}

/// Name and pixels of the images.
fn images(folder: &str) -> Vec<(String, RgbImage)> {
    if let Some(side) = folder.strip_prefix("synthetic-") {
        let options = SynthOptions { image_size: side.parse().expect("a side in pixels"), ..SynthOptions::default() };
        return (0..200).map(|number| (format!("{number}"), synth::case(number, &options).image)).collect();
    }
    parallel::map(&files(Path::new(folder)), |path| (path.display().to_string(), load_image(path).expect("an image")))
}

fn recall(name: &str, folder: &str, every: usize) {
    let begin = scale::processor_time();
    let originals = images(folder);
    let decoded = scale::processor_time() - begin;
    let begin = scale::processor_time();
    let known: Vec<Fingerprint> = parallel::map(&originals, |(_, picture)| Fingerprint::of(picture));
    let fingerprints = scale::processor_time() - begin;
    let begin = scale::processor_time();
    let pairs = near_duplicates(&known.iter().collect::<Vec<_>>(), |_, _| true);
    println!(
        "# {name}: {} images, {decoded:.1?} to decode, {fingerprints:.1?} for fingerprints, {:.1?} to search",
        originals.len(),
        scale::processor_time() - begin
    );
    for pair in pairs {
        let change = pair.change.map_or_else(|| "near as they are".to_owned(), |change| change.to_string());
        println!("# pair: {} and {}: {change}", originals[pair.one].0, originals[pair.other].0);
    }
    let sources: Vec<usize> = (0..originals.len()).step_by(every).collect();
    for (change, apply) in CHANGES {
        let copies: Vec<Fingerprint> = parallel::map(&sources, |place| Fingerprint::of(&apply(&originals[*place].1)));
        let all: Vec<&Fingerprint> = known.iter().chain(&copies).collect();
        let found = near_duplicates(&all, |one, other| one < known.len() && other >= known.len());
        let right = (0..sources.len())
            .filter(|copy| found.iter().any(|pair| (pair.one, pair.other) == (sources[*copy], known.len() + copy)));
        println!("{name},\"{change}\",{},{}", sources.len(), right.count());
    }
}
