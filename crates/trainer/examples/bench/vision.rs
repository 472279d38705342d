//! Measurement of the image encoder.

use std::path::PathBuf;
use std::time::Instant;

use burn::tensor::{Tensor, TensorData};
use serde_json::{Map, Value, json};
use stepwise_data::image::load_image;
use stepwise_vlm::nn::parameter::Pass;

use crate::measure::{Peaks, adapted, finish, since};
use crate::records::read;
use crate::{Common, Failure};

/// Arguments of `vision`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
    /// Tiles per pass.
    #[arg(long, default_value_t = 4)]
    tiles: usize,
    /// Number of measured passes.
    #[arg(long, default_value_t = 20)]
    steps: usize,
}

/// Number of values of each tile's first patch in the result.
const SHOWN: usize = 8;

/// Encodes the same tiles repeatedly and returns times and sample values.
pub fn run(common: &Common, args: &Args) -> Result<Map<String, Value>, Failure> {
    let pipeline = adapted(common)?;
    let mut paths: Vec<PathBuf> = Vec::new();
    for record in read(&common.conversations)? {
        if !paths.contains(&record.image) {
            paths.push(record.image);
        }
    }
    let mut pixels = Vec::new();
    for tile in 0..args.tiles {
        let prepared = pipeline.processor.prepare(&load_image(&paths[tile % paths.len()])?)?;
        let unit = pipeline.processor.unit_pixels(&prepared);
        let unit = TensorData::new(unit, [1, 3, prepared.grid.height, prepared.grid.width]);
        pixels.push(pipeline.processor.values().normalise(Tensor::<4>::from_data(unit, pipeline.model.device())));
    }
    let pixels = [Tensor::cat(pixels, 0)];

    let peaks = Peaks::restart()?;
    let mut seconds = Vec::new();
    let mut output = None;
    for _ in 0..common.warmup + args.steps {
        let before = Instant::now();
        output = Some(pipeline.model.encode(&pixels, &Pass::ANSWER));
        finish(pipeline.model.device())?;
        seconds.push(since(before));
    }
    let output = output.ok_or("--warmup and --steps are both 0")?;
    let [rows, width] = output.dims();
    let values: Vec<f32> = output.into_data().try_to_vec().map_err(|error| format!("{error:?}"))?;
    let patches = rows / args.tiles;
    let shown: Vec<f32> = (0..args.tiles).flat_map(|tile| values[tile * patches * width..][..SHOWN].to_vec()).collect();
    let squares: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
    let result = json!({
        "settings": { "tiles": args.tiles, "steps": args.steps },
        "seconds": seconds, "shape": [args.tiles, patches, width], "values": shown,
        "root_mean_square": (squares / values.len() as f64).sqrt(),
    });
    let Value::Object(mut result) = result else { unreachable!("an object was written") };
    peaks.report(&mut result, pipeline.model.device())?;
    Ok(result)
}
