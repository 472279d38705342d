//! How a pipeline obtains image features, and what it caches of the work of the image encoder.

use std::sync::{Mutex, PoisonError};

use burn::tensor::{Device, Tensor};
use sha2::{Digest, Sha256};
use stepwise_data::io::digest::hex;
use stepwise_ops::tensor_of;

use super::{TILE_ROWS, VlmPipeline};
use crate::batch::{TileRef, TileSet};
use crate::encoder::TileSizes;
use crate::feature_cache::{FeatureCache, FeatureLimits, folder_name};
use crate::model::{EncoderInput, ModelPart, Seen, by_tile, is_adapted};
use crate::nn::parameter::{Parameter, ParameterVisitor, Pass};
use crate::processor::PreparedPixels;

/// How image features are obtained.
pub(super) enum Sight {
    /// Image encoder and connector are frozen, so features are cached.
    Remembered {
        cache: Mutex<FeatureCache>,
        /// Whether adapters or trained copies affect the features. Then only features with adapters on are cached.
        adapted: bool,
    },
    /// Image encoder or connector is trainable, so features change from step to step and are computed each time.
    Anew {
        /// States that do not change; None if embedding or first block of the encoder is trainable or adapted.
        below: Option<Below>,
        /// Index of the first trainable block of the encoder, 0 if the embedding is trainable. The number of blocks if only the
        /// connector is trainable.
        trained: usize,
    },
}

/// Cached inputs of a block of the image encoder. Neither embedding nor blocks before it are trainable or adapted.
pub(super) struct Below {
    cache: Mutex<FeatureCache>,
    /// Index of the block, at least 1; the number of blocks for the output of the last one.
    block: usize,
}

impl VlmPipeline {
    /// Returns the features of all tiles of a set, as of [`Vlm::image_features`](crate::model::Vlm::image_features); `None` for
    /// no tiles. If image encoder and connector are frozen, each tile is encoded once and cached. If not, the same holds for
    /// the blocks of the encoder before the first one that is trainable or adapted. Attacked pixels are never cached.
    pub(crate) fn features(&self, set: &TileSet, pass: &Pass) -> Option<Tensor<2>> {
        let tiles = &set.tiles;
        if tiles.is_empty() {
            return None;
        }
        Some(match &self.sight {
            Sight::Remembered { cache, adapted } if pass.adapters || !adapted => {
                let quiet = Pass { gradients: false, dropout: None, ..*pass };
                self.cached(cache, true, tiles, |tiles| {
                    let counts = tiles.iter().map(|tile| self.processor.tile_features(tile.prepared.grid));
                    by_tile(self.model.image_features(&self.pixels(tiles), &quiet), &counts.collect::<Vec<_>>())
                })
            }
            Sight::Remembered { .. } => self.model.image_features(&self.pixels(tiles), pass),
            Sight::Anew { below, .. } => {
                self.model.features_from(&self.encoder_input(below.as_ref(), tiles, pass), pass)
            }
        })
    }

    /// Returns the tiles of a set in the form that a pass with gradient checkpointing takes.
    pub(super) fn seen(&self, set: &TileSet, pass: &Pass) -> Seen {
        match &self.sight {
            Sight::Anew { below, trained } if !set.tiles.is_empty() => {
                Seen::Tiles { input: self.encoder_input(below.as_ref(), &set.tiles, pass), trained: *trained }
            }
            _ => Seen::Features(self.features(set, pass)),
        }
    }

    /// Returns the input of the image encoder: cached states of the tiles, or else their pixels. States are large, so only those
    /// of training are cached, and an evaluation takes no room from them.
    fn encoder_input(&self, below: Option<&Below>, tiles: &[TileRef], pass: &Pass) -> EncoderInput {
        let Some(Below { cache, block }) = below else { return EncoderInput::Pixels(self.pixels(tiles)) };
        let states =
            self.cached(cache, pass.gradients, tiles, |tiles| self.model.tile_states(&self.pixels(tiles), *block));
        EncoderInput::States { block: *block, states, sizes: of_one_size(tiles).map(sizes).collect() }
    }

    /// Returns the rows of all of `tiles`, `[rows, width]`, tile after tile, from the cache or from `compute`, which gives the rows
    /// of each of some tiles. Computed rows are cached if `insert` is set.
    fn cached(
        &self,
        cache: &Mutex<FeatureCache>,
        insert: bool,
        tiles: &[TileRef],
        compute: impl Fn(&[TileRef]) -> Vec<Tensor<2>>,
    ) -> Tensor<2> {
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<Option<Tensor<2>>> =
            tiles.iter().map(|tile| cache.get(&tile.digest(), self.model.device())).collect();
        let missing: Vec<usize> = (0..found.len()).filter(|place| found[*place].is_none()).collect();
        for places in self.encoded_together(tiles, &missing) {
            let together: Vec<TileRef> = places.iter().map(|place| tiles[*place].clone()).collect();
            for (place, rows) in places.into_iter().zip(compute(&together)) {
                if insert && matches!(tiles[place].prepared.pixels, PreparedPixels::Cut(_)) {
                    cache.insert(tiles[place].digest(), &rows);
                }
                found[place] = Some(rows);
            }
        }
        Tensor::cat(found.into_iter().flatten().collect(), 0)
    }

    /// Divides `missing`, places in `tiles`, into runs that are encoded together. On the CPU each tile is encoded alone,
    /// because rounding depends on the sizes of matrix products: what is cached of a tile must not depend on which other tiles
    /// were missing. On other devices a run has at most [`TILE_ROWS`] patches, or one tile.
    fn encoded_together(&self, tiles: &[TileRef], missing: &[usize]) -> Vec<Vec<usize>> {
        let most = if *self.model.device() == Device::flex() { 0 } else { TILE_ROWS };
        let patches = |place: usize| {
            let [height, width] = tiles[place].size();
            self.model.config().vision.patches(height, width)
        };
        let mut runs: Vec<Vec<usize>> = Vec::new();
        let mut rows = 0;
        for place in missing {
            rows += patches(*place);
            match runs.last_mut() {
                Some(run) if rows <= most => run.push(*place),
                _ => {
                    rows = patches(*place);
                    runs.push(vec![*place]);
                }
            }
        }
        runs
    }

    /// Returns normalised pixels, one tensor `[tiles, 3, height, width]` for neighbouring tiles of one size.
    fn pixels(&self, tiles: &[TileRef]) -> Vec<Tensor<4>> {
        of_one_size(tiles)
            .map(|tiles| {
                let [count, height, width] = sizes(tiles);
                let size = 3 * height * width;
                let mut values = Vec::with_capacity(count * size);
                for TileRef { prepared, tile } in tiles {
                    let range = tile * size..(tile + 1) * size;
                    match &prepared.pixels {
                        PreparedPixels::Cut(tiles) => values.extend(self.processor.values().unit(&tiles.bytes[range])),
                        PreparedPixels::Unit(unit) => values.extend_from_slice(&unit[range]),
                    }
                }
                let unit = tensor_of(values, [count, 3, height, width], self.model.device());
                self.processor.values().normalise(unit)
            })
            .collect()
    }

    /// Decides again what of the image encoder's work can be cached, and clears the cache. Call it whenever adapters are
    /// attached, weights change other than by training, or parameters become trainable or frozen. The cache takes up to 1 GiB
    /// of memory and nothing on disk.
    pub fn refresh(&mut self) {
        self.remember(&FeatureLimits::default());
    }

    /// Does the same as [`VlmPipeline::refresh`], with other limits of the cache. Image features are cached if image encoder and
    /// connector are frozen. Features that depend on adapters are cached in memory only, and only for passes with adapters on.
    /// If the encoder or the connector is trainable, the inputs of the first block of the encoder that is trainable or adapted
    /// are cached, in memory only; the encoder's outputs if no block is; nothing if the first block or the patch embedding is.
    pub fn remember(&mut self, limits: &FeatureLimits) {
        let blocks = self.model.encoder_blocks();
        let digest = limits.folder.is_some().then(|| Sha256::new_with_prefix(self.processor.digest()));
        let mut seeing = Seeing { connector_learns: false, adapted: false, digest };
        self.model.visit(&mut seeing);
        let Seeing { connector_learns, adapted, digest } = seeing;
        // Another run will not have the same trained weights, and states take many times the room of features.
        let in_memory = FeatureLimits { folder: None, ..limits.clone() };
        self.sight = if blocks.trained.is_some() || connector_learns {
            let block = blocks.untouched();
            let below = (block > 0).then(|| Below { cache: Mutex::new(FeatureCache::new(&in_memory, "")), block });
            Sight::Anew { below, trained: blocks.trained.unwrap_or(blocks.count) }
        } else {
            let digest = digest.map_or_else(String::new, |digest| hex(&digest.finalize()));
            let model = folder_name(&digest, self.model.device());
            let cache = FeatureCache::new(if adapted { &in_memory } else { limits }, &model);
            Sight::Remembered { cache: Mutex::new(cache), adapted }
        };
    }
}

/// Divides tiles into runs of neighbours of one size.
fn of_one_size(tiles: &[TileRef]) -> impl Iterator<Item = &[TileRef]> {
    tiles.chunk_by(|one, other| one.size() == other.size())
}

/// Returns the number of tiles of one size, at least one tile, and their height and width in pixels.
fn sizes(tiles: &[TileRef]) -> TileSizes {
    let [height, width] = tiles[0].size();
    [tiles.len(), height, width]
}

/// Collects facts about image encoder and connector: whether the connector is trainable, whether one of them is adapted, and
/// a digest of their weights.
struct Seeing {
    connector_learns: bool,
    /// Whether there are adapters, or trained copies of modules (`modules_to_save`).
    adapted: bool,
    digest: Option<Sha256>,
}

impl ParameterVisitor for Seeing {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        match ModelPart::of(name) {
            ModelPart::Vision => {}
            ModelPart::Connector => self.connector_learns |= parameter.learns(),
            ModelPart::Decoder => return,
        }
        self.adapted |= is_adapted(name, parameter);
        if let Some(digest) = &mut self.digest {
            digest.update(name);
            digest.update(parameter.values().into_data().as_bytes());
        }
    }
}
