//! Reading tensors of a model folder: `model.safetensors`, single or sharded, in f32, f16 or bf16.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use safetensors::Dtype;
use stepwise_ops::Precision;

use super::agreement::{HEAD, agreement};
use super::file::{SafetensorsFile, StoredTensor};
use super::files;
use crate::families::ModelConfig;
use crate::families::TensorNames;
use crate::fault::Fault;
use crate::nn::source::{Source, WeightError};

/// Reader of tensors by name from safetensors files. Only one tensor is in memory at a time. The files must not change
/// while it exists.
pub struct SafetensorsSource {
    files: Vec<SafetensorsFile>,
    /// For each tensor name the index of its file and its name in that file.
    places: BTreeMap<String, (usize, String)>,
    folder: String,
    device: Device,
    precision: Precision,
    names: TensorNames,
}

impl SafetensorsSource {
    /// Opens the weights of a model folder, the same files as transformers' `from_pretrained`: `model.safetensors`, or
    /// if it is absent the shards listed in `model.safetensors.index.json`. Other tensor names of the family of `config`
    /// are translated to the module names of transformers. Where the embedding table is also the output head and only the head
    /// is stored, the head becomes the embedding table, as in transformers. Tensors are made on `device`.
    ///
    /// # Errors
    /// When neither file exists, a file is absent, cannot be read or is malformed, the index lists a path outside the
    /// folder, or two shards hold the same tensor.
    pub fn open_model(folder: &Path, config: &ModelConfig, device: &Device) -> Result<Self, WeightError> {
        let names = config.family.names;
        let mut source = Self { names, ..Self::open_as(&files::of_model(folder)?, device, names.current)? };
        let table = config.text.table_name();
        if config.text.tie_word_embeddings
            && !source.places.contains_key(&table)
            && let Some(head) = source.places.remove(HEAD)
        {
            source.places.insert(table, head);
        }
        Ok(source)
    }

    /// Opens safetensors files; tensor names stay as they are in the files. Tensors are made on `device`.
    ///
    /// # Errors
    /// When a file cannot be read or is malformed, or two files hold a tensor of the same name.
    pub fn open(paths: &[PathBuf], device: &Device) -> Result<Self, WeightError> {
        Self::open_as(paths, device, TensorNames::STORED.current)
    }

    /// Opens safetensors files and calls each tensor `named` of the name in the file.
    ///
    /// # Errors
    /// Errors of [`SafetensorsSource::open`].
    pub(crate) fn open_as(
        paths: &[PathBuf],
        device: &Device,
        named: impl Fn(&str) -> String,
    ) -> Result<Self, WeightError> {
        let mut files = Vec::new();
        let mut places = BTreeMap::new();
        for path in paths {
            let file = SafetensorsFile::open(path)?;
            for name in file.names() {
                if places.insert(named(&name), (files.len(), name.clone())).is_some() {
                    let problem = format!("tensor {name} is also in another shard");
                    return Err(Fault::new(path, problem, "remove one of the two").into());
                }
            }
            files.push(file);
        }
        let folder =
            paths.first().and_then(|path| path.parent()).map_or(String::new(), |path| path.display().to_string());
        Ok(Self {
            files,
            places,
            folder,
            device: device.clone(),
            precision: Precision::F32,
            names: TensorNames::STORED,
        })
    }

    /// Returns the source with another number format for frozen weights of linear layers; the default is f32.
    #[must_use]
    pub fn held_in(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Returns the names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// Checks that the files hold the model of `config`, without reading values: every tensor of the model has its shape, and no
    /// tensor belongs to a part that `config` does not describe. Buffers that transformers ignores are allowed. If the
    /// embedding table is the head, a stored head must be equal to it.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape, and [`WeightError::Contradiction`] for a tensor that `config` does not
    /// describe.
    pub fn check(&self, config: &ModelConfig) -> Result<(), WeightError> {
        agreement(self, config)
    }

    /// Calls `visitor` with name, stored type and shape of every tensor, sorted by name.
    pub(super) fn headers(&self, mut visitor: impl FnMut(&str, String, &[usize])) {
        for (name, (file, stored)) in &self.places {
            if let Some(tensor) = self.files[*file].tensor(stored) {
                visitor(name, format!("{:?}", tensor.dtype()), tensor.shape());
            }
        }
    }

    /// Returns the paths of the files in the order of reading.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().map(|file| file.path().to_owned()).collect()
    }

    /// Returns the size of all files together in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(SafetensorsFile::bytes).sum()
    }

    /// Returns the folder of the files, for messages.
    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    /// Returns the name of a tensor in its file; None if the tensor is missing.
    pub(crate) fn stored_name(&self, name: &str) -> Option<&str> {
        self.places.get(name).map(|(_, stored)| stored.as_str())
    }

    /// Returns the name of the stored tensor that holds the last rows of tensor `name`; None if `name` is not split.
    pub(super) fn split_off(&self, name: &str) -> Option<&'static str> {
        (self.names.split_off)(name).filter(|rest| self.places.contains_key(*rest))
    }

    /// Returns the error of a tensor that no file holds.
    pub(super) fn missing(&self, name: &str) -> WeightError {
        WeightError::Missing { name: name.to_owned(), place: self.folder.clone(), nearest: nearest(name, self.names()) }
    }

    /// Returns an error if the shape of tensor `name` is not `expected`.
    pub(super) fn shaped(&self, name: &str, found: Vec<usize>, expected: &[usize]) -> Result<(), WeightError> {
        if found == expected {
            return Ok(());
        }
        let (name, place, expected) = (name.to_owned(), self.folder.clone(), expected.to_vec());
        Err(WeightError::Shape { name, place, found, expected })
    }

    /// Returns whether two stored tensors have equal values.
    ///
    /// # Errors
    /// When a tensor cannot be read.
    pub(super) fn are_equal(&self, one: &str, other: &str) -> Result<bool, WeightError> {
        // Tables over the vocabulary are large, so equal bytes are not widened.
        Ok(self.stored(one)?.has_bytes_of(&self.stored(other)?)? || self.any(one)? == self.any(other)?)
    }

    /// Returns shape and f32 values (row by row) of a tensor of any shape.
    ///
    /// # Errors
    /// When the tensor is missing or cannot be read, its type is not F32, F16 or BF16, or a value is NaN or infinite.
    pub fn any(&self, name: &str) -> Result<(Vec<usize>, Vec<f32>), WeightError> {
        let tensor = self.stored(name)?;
        let widen = widening(tensor.dtype()).ok_or_else(|| {
            let problem = format!("tensor {name} has type {:?}, supported are F32, F16 and BF16", tensor.dtype());
            Fault::new(tensor.path(), problem, "save the model in one of these types")
        })?;
        let mut values = Vec::with_capacity(tensor.shape().iter().product());
        tensor.pieces(|bytes| widen(bytes, &mut values))?;
        match not_finite(&values, tensor.shape()) {
            None => Ok((tensor.shape().to_vec(), values)),
            Some((count, value, index)) => {
                let path = tensor.path().display().to_string();
                Err(WeightError::NotFinite { path, name: tensor.name().to_owned(), count, value, index })
            }
        }
    }

    fn stored(&self, name: &str) -> Result<StoredTensor<'_>, WeightError> {
        let found = self.places.get(name).and_then(|(file, stored)| self.files[*file].tensor(stored));
        found.ok_or_else(|| self.missing(name))
    }
}

/// Number of values that are NaN or infinite, the first of them and its index in each dimension of `shape`. None if all
/// are finite.
fn not_finite(values: &[f32], shape: &[usize]) -> Option<(usize, f32, Vec<usize>)> {
    // The largest magnitude, compared as integers, takes one fast pass: NaN and infinity have the largest exponent.
    let largest = values.iter().fold(0, |most: u32, value| most.max(value.to_bits() & !(1 << 31)));
    if largest < f32::INFINITY.to_bits() {
        return None;
    }
    let first = values.iter().position(|value| !value.is_finite())?;
    let (mut rest, mut index) = (first, vec![0; shape.len()]);
    for (place, side) in index.iter_mut().zip(shape).rev() {
        *place = rest % side;
        rest /= side;
    }
    Some((values.iter().filter(|value| !value.is_finite()).count(), values[first], index))
}

impl Source for SafetensorsSource {
    fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightError> {
        let (mut found, mut values) = self.any(name)?;
        if let Some(rest) = self.split_off(name) {
            let (more, last) = self.any(rest)?;
            if append_rows(&mut found, &more) {
                values.extend(last);
            }
        }
        self.shaped(name, found, shape)?;
        Ok(values)
    }

    fn precision(&self) -> Precision {
        self.precision
    }

    fn device(&self) -> &Device {
        &self.device
    }
}

/// Adds the rows of a tensor of the shape `more` to the shape `found`, if all other sides are equal. Returns whether they are.
pub(super) fn append_rows(found: &mut [usize], more: &[usize]) -> bool {
    let fits = more.get(1..) == found.get(1..) && !more.is_empty();
    if fits {
        found[0] += more[0];
    }
    fits
}

/// Appends the values of whole little-endian numbers.
type Widen = fn(&[u8], &mut Vec<f32>);

/// Returns how the bytes of a stored type become f32; None for types that are no weights.
fn widening(dtype: Dtype) -> Option<Widen> {
    match dtype {
        Dtype::F32 => Some(|bytes, values| values.extend(numbers(bytes).map(f32::from_le_bytes))),
        Dtype::F16 => Some(|bytes, values| values.extend(numbers(bytes).map(from_f16))),
        Dtype::BF16 => Some(|bytes, values| values.extend(numbers(bytes).map(from_bf16))),
        _ => None,
    }
}

fn from_f16(bytes: [u8; 2]) -> f32 {
    half::f16::from_le_bytes(bytes).to_f32()
}

fn from_bf16(bytes: [u8; 2]) -> f32 {
    half::bf16::from_le_bytes(bytes).to_f32()
}

fn numbers<const BYTES: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; BYTES]> {
    bytes.as_chunks().0.iter().copied()
}

/// Returns the name most similar to `name`, with a Jaro-Winkler similarity (Winkler 1990) above 0.8; None if there
/// is none.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    names
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate.to_owned())
}
