//! Processor time of the search among many images of one view, and among mixed ones.

use std::time::Duration;

use image::{Rgb, RgbImage};
use rand::Rng;
use stepwise_data::near_duplicates::{Fingerprint, near_duplicates};
use stepwise_data::parallel;
use stepwise_data::random::stream;

/// Side of an image in pixels.
const SIDE: u32 = 128;

/// A blob: position and radius in parts of the side, and grey level.
type Blob = [f32; 4];

/// Prints the times for `count` images of each kind, of which a tenth is on the other side.
pub fn run(count: usize) {
    let mixed = measure("mixed", count, 0.0);
    let one_view = measure("one view", count, 1.0);
    println!("one view / mixed: {:.2}", one_view.as_secs_f64() / mixed.as_secs_f64());
}

/// Makes images whose large shapes are alike (`alike` 1) or not (0), and returns the time of the search.
fn measure(name: &str, count: usize, alike: f32) -> Duration {
    let numbers: Vec<u64> = (0..count as u64).collect();
    let begin = processor_time();
    let prints = parallel::map(&numbers, |number| Fingerprint::of(&picture(*number, alike)));
    let made = processor_time() - begin;
    let all: Vec<&Fingerprint> = prints.iter().collect();
    let begin = processor_time();
    let found = near_duplicates(&all, |one, other| (one % 10 == 0) != (other % 10 == 0));
    let time = processor_time() - begin;
    println!("{name}: {count} images, {made:.1?} to make, {time:.1?} to search, {} pairs", found.len());
    time
}

/// Time of all processors that this process has taken, which other programs do not lengthen; in steps of 10 ms.
pub fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // User and system time, in hundredths of a second (proc(5), fields 14 and 15).
    let ticks: u64 = [11, 12].iter().map(|place| fields[*place].parse::<u64>().expect("a number")).sum();
    Duration::from_millis(10 * ticks)
}

fn blobs(key: &str, seed: u64, count: usize, radius: std::ops::Range<f32>, level: f32) -> Vec<Blob> {
    let mut dice = stream(seed, &[key]);
    (0..count)
        .map(|_| {
            [dice.random(), dice.random(), dice.random_range(radius.clone()), level * dice.random_range(-1.0..1.0)]
        })
        .collect()
}

/// A grey image of large shapes, which every image of a view has at nearly the same place, and smaller ones of its own.
fn picture(number: u64, alike: f32) -> RgbImage {
    let view = if alike > 0.0 { 0 } else { number + 1 };
    let mut all = blobs("view", view, 14, 0.08..0.25, 70.0);
    let mut dice = stream(number, &["body"]);
    for blob in &mut all {
        blob[0] += dice.random_range(-0.02..0.02);
        blob[1] += dice.random_range(-0.02..0.02);
        blob[3] *= dice.random_range(0.8..1.2);
    }
    all.extend(blobs("own", number, 40, 0.01..0.05, 30.0));
    let mut values = vec![110.0f32; (SIDE * SIDE) as usize];
    for [x, y, radius, level] in all {
        let side = SIDE as f32;
        let reach = 3.0 * radius * side;
        let range = |centre: f32| {
            let (from, to) = (centre * side - reach, centre * side + reach);
            from.clamp(0.0, side) as usize..to.clamp(0.0, side) as usize
        };
        for row in range(y) {
            for column in range(x) {
                let (dx, dy) = (column as f32 / side - x, row as f32 / side - y);
                values[row * SIDE as usize + column] += level * (-(dx * dx + dy * dy) / (2.0 * radius * radius)).exp();
            }
        }
    }
    let noise: Vec<f32> = (0..values.len()).map(|_| dice.random_range(-4.0..4.0)).collect();
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let place = (y * SIDE + x) as usize;
        Rgb([(values[place] + noise[place]) as u8; 3])
    })
}
