//! Cache of image features, or of states of the image encoder, by the digest of their tile: in memory, and optionally on disk for
//! later runs.
//!
//! Once memory or disk is full, new entries are not stored and old ones stay. Training visits all images in rounds, and
//! in that order a least-recently-used cache would drop each entry just before its next use.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use sha2::{Digest, Sha256};
use stepwise_data::io::digest::hex;

/// Size limits and folder of the cache of image features, or of states of the image encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureLimits {
    /// Limit of the cache in memory, in bytes; 1 GiB by default.
    pub memory_bytes: u64,
    /// Folder of the cache on disk, which later runs reuse; `None` caches in memory only. States of the image encoder are never on
    /// disk.
    pub folder: Option<PathBuf>,
    /// Limit of the cache on disk, in bytes, for the features of all models in the folder together. Writing stops once
    /// it is reached; 0, the default, writes nothing.
    pub disk_bytes: u64,
}

impl Default for FeatureLimits {
    fn default() -> Self {
        Self { memory_bytes: 1 << 30, folder: None, disk_bytes: 0 }
    }
}

/// Returns the name of a model's folder on disk. `model` is its digest, and `device` computes its features. Features
/// of different devices differ in their last bits, so the features of each kind of device other than the CPU have a
/// folder of their own.
pub(crate) fn folder_name(model: &str, device: &Device) -> String {
    match kind(device) {
        None => model.to_owned(),
        Some(kind) => format!("{model}-{}", &hex(&Sha256::digest(kind))[..16]),
    }
}

/// Name of the adapter and of the code that is compiled for it; None for the CPU.
fn kind(device: &Device) -> Option<String> {
    let device = device.clone().without_autodiff();
    if device == Device::flex() {
        return None;
    }
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    if let Some(identity) = device.identity() {
        return Some(format!("{} {}", identity.name, identity.fingerprint));
    }
    Some(format!("{device:?}"))
}

/// SHA-256 of a tile's pixels.
pub(crate) type TileDigest = [u8; 32];

/// Cache of the rows of tiles, by the digest of the tile and for one model: image features, or states of the image encoder.
pub(crate) struct FeatureCache {
    known: HashMap<TileDigest, Tensor<2>>,
    bytes: u64,
    most: u64,
    disk: Option<Disk>,
}

impl FeatureCache {
    /// Creates a cache for one model, empty in memory. `model` is the name of its folder on disk, made by [`folder_name`]
    /// of a digest of its processor, image encoder and connector. The folder is created. If that fails, nothing is cached
    /// on disk.
    pub fn new(limits: &FeatureLimits, model: &str) -> Self {
        let disk = limits.folder.as_ref().map(|folder| Disk::open(folder, model, limits.disk_bytes));
        Self { known: HashMap::new(), bytes: 0, most: limits.memory_bytes, disk }
    }

    /// Returns the rows of a tile, `[rows of the tile, width]`, from memory or else from disk. Returns None
    /// if the tile is in neither, or its file is damaged.
    pub fn get(&mut self, digest: &TileDigest, device: &Device) -> Option<Tensor<2>> {
        if let Some(features) = self.known.get(digest) {
            return Some(features.clone());
        }
        let (shape, values) = self.disk.as_ref()?.read(digest)?;
        let features = Tensor::from_data(TensorData::new(values, shape), device);
        self.keep(*digest, features.clone());
        Some(features)
    }

    /// Stores the rows of a tile, `[rows of the tile, width]`, in memory and on disk, each while it has room.
    /// A failure to write is not reported.
    pub fn insert(&mut self, digest: TileDigest, features: &Tensor<2>) {
        self.keep(digest, features.clone());
        if let Some(disk) = &mut self.disk
            && disk.has_room()
        {
            disk.write(&digest, features.dims(), &stepwise_ops::values_of(features.clone()));
        }
    }

    fn keep(&mut self, digest: TileDigest, features: Tensor<2>) {
        let [rows, width] = features.dims();
        let bytes = (rows * width * size_of::<f32>()) as u64;
        if self.bytes + bytes <= self.most {
            self.bytes += bytes;
            self.known.insert(digest, features);
        }
    }
}

/// Cache on disk, one file per tile: SHA-256 of the rest, rows, width, values (little endian). A damaged file counts
/// as absent.
struct Disk {
    folder: PathBuf,
    /// Size of the files of all models when the cache was opened, and of those written since.
    bytes: u64,
    most: u64,
}

/// Bytes before the values: the digest and two 32-bit numbers.
const HEAD: usize = 32 + 8;

impl Disk {
    /// Opens the folder of a model in `all`, the folder of all models.
    fn open(all: &Path, model: &str, most: u64) -> Self {
        let folder = all.join(model);
        // If the folder cannot be created, nothing is cached on disk.
        let most = if fs::create_dir_all(&folder).is_ok() { most } else { 0 };
        let models = fs::read_dir(all).into_iter().flatten().flatten();
        let files = models.flat_map(|model| fs::read_dir(model.path()).into_iter().flatten().flatten());
        let bytes = files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum();
        Self { folder, bytes, most }
    }

    fn path(&self, digest: &TileDigest) -> PathBuf {
        self.folder.join(hex(digest))
    }

    fn has_room(&self) -> bool {
        self.bytes < self.most
    }

    fn read(&self, digest: &TileDigest) -> Option<([usize; 2], Vec<f32>)> {
        let bytes = fs::read(self.path(digest)).ok()?;
        let (head, values) = bytes.split_at_checked(HEAD)?;
        let (checksum, sides) = head.split_at(32);
        let side = |at: usize| u32::from_le_bytes([sides[at], sides[at + 1], sides[at + 2], sides[at + 3]]) as usize;
        let shape = [side(0), side(4)];
        let whole = Sha256::digest(&bytes[32..]).as_slice() == checksum;
        if !whole || shape[0].checked_mul(shape[1])?.checked_mul(4)? != values.len() {
            return None;
        }
        Some((
            shape,
            values.chunks_exact(4).map(|value| f32::from_le_bytes([value[0], value[1], value[2], value[3]])).collect(),
        ))
    }

    /// Writes a temporary file and renames it, so that several runs can share a folder. After the first failure,
    /// nothing more is written.
    fn write(&mut self, digest: &TileDigest, shape: [usize; 2], values: &[f32]) {
        let mut rest: Vec<u8> = shape.iter().flat_map(|side| (*side as u32).to_le_bytes()).collect();
        rest.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let path = self.path(digest);
        let beside = path.with_extension(std::process::id().to_string());
        let written = fs::File::create(&beside).and_then(|mut file| {
            file.write_all(&Sha256::digest(&rest))?;
            file.write_all(&rest)?;
            fs::rename(&beside, &path)
        });
        match written {
            Ok(()) => self.bytes += (32 + rest.len()) as u64,
            Err(_) => self.most = 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(value: f32) -> Tensor<2> {
        Tensor::full([2, 3], value, &Device::flex())
    }

    fn values(features: Tensor<2>) -> Vec<f32> {
        features.into_data().try_to_vec().expect("f32")
    }

    #[test]
    fn memory_is_filled_up_to_its_limit() {
        let limits = FeatureLimits { memory_bytes: 50, ..FeatureLimits::default() };
        let mut cache = FeatureCache::new(&limits, "m");
        for number in 0..3 {
            cache.insert([number; 32], &features(f32::from(number)));
        }
        let found = [0, 1, 2].map(|number| cache.get(&[number; 32], &Device::flex()).map(values));
        assert_eq!(found, [Some(vec![0.0; 6]), Some(vec![1.0; 6]), None]);
    }

    #[test]
    fn models_share_the_limit_of_the_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let limits = FeatureLimits { memory_bytes: 0, folder: Some(folder.path().into()), disk_bytes: 100 };
        for (number, model) in (0..).zip(["a", "b", "c"]) {
            FeatureCache::new(&limits, model).insert([number; 32], &features(1.0));
        }
        let files = |model: &str| fs::read_dir(folder.path().join(model)).expect("a folder").count();
        assert_eq!(["a", "b", "c"].map(files), [1, 1, 0], "two files of 64 bytes fill 100");
    }

    #[test]
    #[allow(deprecated)] // The device of the other CPU backend has no other constructor.
    fn features_of_another_device_are_in_a_folder_of_their_own() {
        let [cpu, other] = [Device::flex(), Device::ndarray()].map(|device| folder_name("m", &device));
        assert_eq!(cpu, "m");
        assert!(other.starts_with("m-") && other.len() == 18, "{other}");
        assert_eq!(folder_name("m", &Device::flex().autodiff()), cpu);
        assert_eq!(folder_name("m", &Device::ndarray().autodiff()), other);
    }

    #[test]
    fn features_on_disk_are_read_again_and_a_damaged_file_counts_as_absent() {
        let folder = tempfile::tempdir().expect("a folder");
        let limits = FeatureLimits { memory_bytes: 0, folder: Some(folder.path().into()), disk_bytes: 100 };
        let mut cache = FeatureCache::new(&limits, "m");
        for number in 0..3 {
            cache.insert([number; 32], &features(f32::from(number)));
        }
        let mut again = FeatureCache::new(&limits, "m");
        assert_eq!(again.get(&[1; 32], &Device::flex()).map(values), Some(vec![1.0; 6]));
        assert!(again.get(&[2; 32], &Device::flex()).is_none(), "two files of 64 bytes fill 100");
        assert!(FeatureCache::new(&limits, "other").get(&[1; 32], &Device::flex()).is_none());

        let file = folder.path().join("m").join(hex(&[1; 32]));
        let mut bytes = fs::read(&file).expect("there");
        bytes[50] ^= 1;
        fs::write(&file, &bytes).expect("written");
        assert!(again.get(&[1; 32], &Device::flex()).is_none());
        fs::write(&file, &bytes[..20]).expect("written");
        assert!(again.get(&[1; 32], &Device::flex()).is_none());
    }
}
